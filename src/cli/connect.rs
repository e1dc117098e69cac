//! `connect`, `disconnect`, `connections`: logins that people consent to.

use std::{fmt::Write as _, io::BufRead as _, time::Duration};

use chrono::{DateTime, Utc};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use url::Url;

use super::{
    args::{ConnectArgs, DisconnectArgs},
    client::{self, Ends},
    exit::{CliError, Exit},
    output::Output,
    setup::Office,
    text::{Paint, Table, ago, one_line, wrap},
};
use crate::{
    daemon::protocol::{Request, Response},
    grant::{Account, ConnectionNow, ConnectionState, Consented},
};

/// Longest line of a browser's request that is read.
const LONGEST: u64 = 16 << 10;
/// Who says nothing for so long is left alone.
const SILENT: Duration = Duration::from_secs(30);
/// Accounts of a login that are listed for people.
const ACCOUNTS: usize = 20;

/// Says which page a browser is to open: the data for now. A program that asked for JSON gets one answer, at the end.
fn to_open(url: &str, out: &Output) {
    if out.json {
        out.talk(url);
    } else {
        out.data(&format!("{url}\n"));
    }
}

/// Has a person consent.
///
/// # Errors
///
/// When it is not given, or nothing can be kept.
pub async fn connect(office: &mut Office, args: &ConnectArgs, out: &Output) -> Result<Exit, CliError> {
    let what = client::login(office, &args.what, Ends::Nothing).await?;
    if args.link {
        let Response::ConnectLink(link) = office.ask(Request::ConnectLink { what }).await? else {
            return Err(Office::astray());
        };
        if out.json {
            out.json(&serde_json::json!({ "link": link }));
        } else {
            out.data(&format!("{link}\n"));
            out.talk("send this to the owner of the account; it works once, within 15 minutes");
        }
        return Ok(Exit::Done);
    }
    let begin = Request::ConnectBegin { what, redirect: None };
    let (url, redirect) = match office.ask(begin).await? {
        Response::Consent { url, redirect, .. } => (url, redirect),
        // An app that logs in by itself: nobody has to consent.
        Response::Consented(consented) => {
            show(&consented, out);
            return Ok(Exit::Done);
        }
        _ => return Err(Office::astray()),
    };
    let redirect = Url::parse(&redirect).map_err(|error| CliError::Other(format!("`redirect`: {error}")))?;
    let parameters = if args.paste {
        out.talk("open this in a browser, and consent there:\n");
        to_open(&url, out);
        out.talk("\nthe browser then shows an address that begins with the following, perhaps with an error; paste all of it here:");
        out.talk(redirect.as_str());
        pasted()?
    } else {
        let port = redirect.port_or_known_default().unwrap_or(80);
        // Before the address is shown: whoever comes back finds somebody.
        let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| {
            CliError::Other(format!("nothing can listen at {redirect}: {error}; `--paste` does without"))
        })?;
        out.talk("open this in a browser on this machine, and consent there (`--paste` for another machine):\n");
        to_open(&url, out);
        Return::to(redirect, &url).awaited(&listener, out).await?
    };
    let finish = Request::ConnectFinish { parameters };
    let Response::Consented(consented) = office.ask(finish).await? else { return Err(Office::astray()) };
    show(&consented, out);
    Ok(Exit::Done)
}

fn show(consented: &Consented, out: &Output) {
    if out.json {
        out.json(consented);
    } else {
        out.data(&told(consented));
    }
}

fn told(consented: &Consented) -> String {
    let mut text = format!("`{}` is connected\n", consented.grant);
    for account in &consented.accounts {
        let _ = writeln!(text, "  {}", named(account));
    }
    if consented.accounts.len() > 1 {
        text.push_str("name one of them in each connection: tenant: …\n");
    }
    text
}

/// An account, as it is shown and can be written.
fn named(account: &Account) -> String {
    one_line(&format!("{} ({})", account.name, account.id))
}

fn pasted() -> Result<Vec<(String, String)>, CliError> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| CliError::Other(format!("nothing can be read: {error}")))?;
    let url = Url::parse(line.trim());
    let url = url.map_err(|error| CliError::Usage(format!("this is no address: {error}; paste all of it")))?;
    Ok(url.query_pairs().into_owned().collect())
}

/// Where a browser comes back to, and how it is known.
#[derive(Clone)]
struct Return {
    redirect: Url,
    /// The word that only this consent's browser knows.
    state: Option<String>,
}

impl Return {
    /// To `redirect`, from a consent that begins at `url`.
    fn to(redirect: Url, url: &str) -> Self {
        let url = Url::parse(url).ok();
        let state =
            url.and_then(|url| url.query_pairs().find(|(name, _)| name == "state").map(|(_, value)| value.into()));
        Self { redirect, state }
    }

    /// Waits for the browser. Who says nothing, or something else, keeps nobody waiting: a browser asks for more than one
    /// thing, and any page can have it ask here.
    async fn awaited(self, listener: &TcpListener, out: &Output) -> Result<Vec<(String, String)>, CliError> {
        let mut visitors = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let failed = |error| CliError::Other(format!("waiting for the browser failed: {error}"));
                    let ((stream, _), this) = (accepted.map_err(failed)?, self.clone());
                    visitors.spawn(tokio::time::timeout(SILENT, async move { this.ask_of(stream).await }));
                }
                Some(said) = visitors.join_next() => match said {
                    Ok(Ok(Ok(Said::Back(parameters)))) => return Ok(parameters),
                    Ok(Ok(Ok(Said::Stranger))) => {
                        out.talk("a browser came that was sent by something else, or from an earlier attempt; still waiting");
                    }
                    _ => {}
                },
            }
        }
    }

    /// Reads what a visitor asks for, and answers.
    async fn ask_of(&self, mut stream: TcpStream) -> std::io::Result<Said> {
        let (read, mut write) = stream.split();
        let mut line = String::new();
        BufReader::new(tokio::io::AsyncReadExt::take(read, LONGEST)).read_line(&mut line).await?;
        let said = self.said(line.split(' ').nth(1).unwrap_or_default());
        let (status, text) = match &said {
            Said::Back(_) => ("200 OK", "Thank you. You can close this page; the rest is told where you began."),
            Said::Stranger => {
                ("400 Bad Request", "This is not the answer that is waited for. Begin again where you began.")
            }
            Said::Nothing => ("404 Not Found", ""),
        };
        let length = text.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
        );
        // A browser that does not wait for the thanks has consented all the same.
        let _ = write.write_all(answer.as_bytes()).await;
        Ok(said)
    }

    fn said(&self, target: &str) -> Said {
        let url = self.redirect.join(target).ok();
        let Some(url) = url.filter(|url| url.path() == self.redirect.path() && url.query().is_some()) else {
            return Said::Nothing;
        };
        let parameters: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let state = parameters.iter().find(|(name, _)| name == "state").map(|(_, value)| value);
        if state == self.state.as_ref() { Said::Back(parameters) } else { Said::Stranger }
    }
}

/// What a visitor of the address wants.
enum Said {
    /// The browser is back, with this.
    Back(Vec<(String, String)>),
    /// It looks like that, but belongs to another consent.
    Stranger,
    /// Something else.
    Nothing,
}

/// Disconnects.
///
/// # Errors
///
/// When it cannot be remembered.
pub async fn disconnect(office: &mut Office, args: &DisconnectArgs, out: &Output) -> Result<Exit, CliError> {
    let by = crate::daemon::own_name();
    let ends = if args.grant { Ends::Login } else { Ends::Named };
    let what = client::login(office, &args.what, ends).await?;
    let request = Request::Disconnect { what: what.clone(), whole: args.grant, by };
    let Response::Disconnected(told) = office.ask(request).await? else { return Err(Office::astray()) };
    if out.json {
        out.json(&serde_json::json!({ "disconnected": what, "told": told }));
    } else {
        out.data(&wrap(&format!("`{what}`: {told}; its pipelines stop, and links are kept"), 0));
    }
    Ok(Exit::Done)
}

/// Lists connections that log in by a grant.
///
/// # Errors
///
/// When the state cannot be used.
pub async fn list(office: &mut Office, out: &Output) -> Result<Exit, CliError> {
    let Response::Status(status) = office.ask(Request::Status).await? else { return Err(Office::astray()) };
    let logins = client::logins(office, status.connections);
    if out.json {
        out.json(&logins);
    } else if logins.is_empty() {
        out.data("no connection logs in by a grant\n");
    } else {
        out.data(&render(&logins, office.now(), out.paint));
    }
    Ok(Exit::Done)
}

/// Connections with their states and what to do.
#[must_use]
pub fn render(connections: &[ConnectionNow], now: DateTime<Utc>, paint: Paint) -> String {
    let mut table = Table::new(&["connection", "state", "grant", "account"]);
    for one in connections {
        let account = one.account.as_deref().unwrap_or("-");
        let cells = [one.connection.as_str(), &one.state.to_string(), &one.grant, account];
        table.row(cells.map(str::to_owned).to_vec());
    }
    let mut text = table.render(0, paint);
    text.push_str(&todo(connections, now, paint));
    text
}

/// What has to be done about connections.
#[must_use]
pub fn todo(connections: &[ConnectionNow], now: DateTime<Utc>, paint: Paint) -> String {
    let mut text = String::new();
    for one in connections {
        let Some(todo) = &one.todo else { continue };
        let parted = one.parted.as_ref();
        let who = parted.map(|parted| format!("{} disconnected it {}; ", parted.by, ago(now, parted.at)));
        let who = who.unwrap_or_default();
        let line = wrap(&format!("! {} is {}: {who}{todo}", one.connection, one.state.said()), 0);
        text.push_str(&if one.state == ConnectionState::Connected { line } else { paint.red(&line) });
        for account in one.covers.iter().take(ACCOUNTS) {
            text.push_str(&wrap(&named(account), 4));
        }
        if let Some(more) = one.covers.len().checked_sub(ACCOUNTS).filter(|more| *more > 0) {
            text.push_str(&wrap(&format!("and {more} more; `reconciled connections --json` has all of them"), 4));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn say(listener: &TcpListener, target: &str) -> TcpStream {
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        stream.write_all(format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn the_browser_is_found_among_others_that_come() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let redirect = Url::parse("http://localhost:8765/callback").unwrap();
        let back = Return::to(redirect, "https://login.example/authorize?client_id=app&state=right");
        let _silent = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let _others = [
            say(&listener, "/favicon.ico").await,
            say(&listener, "/callback").await,
            say(&listener, "/callback?code=evil").await,
            say(&listener, "/callback?code=evil&state=wrong").await,
        ];
        let _right = say(&listener, "/callback?code=good&state=right").await;
        let out = Output::new(false);
        let parameters = back.awaited(&listener, &out).await.unwrap();
        let of = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(parameters, [of("code", "good"), of("state", "right")]);
    }

    #[test]
    fn accounts_are_listed_where_one_has_to_be_named() {
        let account =
            |number: usize| Account { id: number.to_string(), name: format!("No {number}\u{1b}[2J"), handle: None };
        let now = ConnectionNow {
            connection: crate::config::ConnectionName::parse("acme-xero").unwrap(),
            grant: "agency".to_owned(),
            state: ConnectionState::NeedsConsent,
            account: None,
            todo: Some("name one".to_owned()),
            expires: None,
            parted: None,
            covers: (1..=ACCOUNTS + 3).map(account).collect(),
        };
        let text = todo(&[now], DateTime::UNIX_EPOCH, Paint::Plain);
        assert!(text.contains("    No 1 [2J (1)\n") && text.contains("and 3 more"), "{text}");
        assert!(!text.contains("No 21"), "{text}");
    }
}
