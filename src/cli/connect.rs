//! `connect`, `disconnect`, `connections`: logins that people consent to.

use std::{fmt::Write as _, io::BufRead as _};

use chrono::{DateTime, Utc};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use url::Url;

use super::{
    args::{ConnectArgs, DisconnectArgs},
    client::{self, Ends},
    exit::{CliError, Exit},
    output::Output,
    setup::Office,
    text::{Paint, Table, ago, wrap},
};
use crate::{
    daemon::protocol::{Request, Response},
    grant::{ConnectionNow, ConnectionState, Consented},
};

/// Longest line of a browser's request that is read.
const LONGEST: u64 = 16 << 10;

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
    let Response::Consent { url, redirect, .. } = office.ask(begin).await? else { return Err(Office::astray()) };
    let redirect = Url::parse(&redirect).map_err(|error| CliError::Other(format!("`redirect`: {error}")))?;
    let parameters = if args.paste {
        out.talk("open this in a browser, and consent there:\n");
        out.data(&format!("{url}\n"));
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
        out.data(&format!("{url}\n"));
        come_back(&listener, &redirect).await?
    };
    let finish = Request::ConnectFinish { parameters };
    let Response::Consented(consented) = office.ask(finish).await? else { return Err(Office::astray()) };
    if out.json {
        out.json(&consented);
    } else {
        out.data(&told(&consented));
    }
    Ok(Exit::Done)
}

fn told(consented: &Consented) -> String {
    let mut text = format!("`{}` is connected\n", consented.grant);
    for account in &consented.accounts {
        let _ = writeln!(text, "  {} ({})", account.name, account.id);
    }
    if consented.accounts.len() > 1 {
        text.push_str("name one of them in each connection: tenant: …\n");
    }
    text
}

fn pasted() -> Result<Vec<(String, String)>, CliError> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| CliError::Other(format!("nothing can be read: {error}")))?;
    let url = Url::parse(line.trim());
    let url = url.map_err(|error| CliError::Usage(format!("this is no address: {error}; paste all of it")))?;
    Ok(url.query_pairs().into_owned().collect())
}

/// Waits for the browser to come back to `redirect`.
async fn come_back(listener: &TcpListener, redirect: &Url) -> Result<Vec<(String, String)>, CliError> {
    let failed = |error| CliError::Other(format!("waiting for the browser failed: {error}"));
    loop {
        let (stream, _) = listener.accept().await.map_err(failed)?;
        // A browser asks for more than one thing; one that says nothing is left alone.
        if let Ok(Some(url)) = ask_of(stream, redirect).await {
            return Ok(url.query_pairs().into_owned().collect());
        }
    }
}

async fn ask_of(mut stream: TcpStream, redirect: &Url) -> std::io::Result<Option<Url>> {
    let (read, mut write) = stream.split();
    let mut line = String::new();
    BufReader::new(tokio::io::AsyncReadExt::take(read, LONGEST)).read_line(&mut line).await?;
    let target = line.split(' ').nth(1).unwrap_or_default();
    let url = redirect.join(target).ok().filter(|url| url.path() == redirect.path() && url.query().is_some());
    let (status, text) = match &url {
        Some(_) => ("200 OK", "Thank you. You can close this page; the rest is told where you began."),
        None => ("404 Not Found", ""),
    };
    let length = text.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
    );
    write.write_all(answer.as_bytes()).await?;
    Ok(url)
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
        out.data(&wrap(&format!("`{}`: {told}; its pipelines stop, and links are kept", what), 0));
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
    }
    text
}
