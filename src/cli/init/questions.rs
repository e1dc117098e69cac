//! What is wanted: from the command line, and asked for on a terminal where it is not said.

use std::{
    collections::BTreeMap,
    io::{self, BufRead as _, IsTerminal as _},
    sync::Arc,
};

use chrono::NaiveDate;

use super::meaning;
use crate::{
    cli::{
        args::{Direction, InitArgs},
        exit::CliError,
        output::Output,
    },
    config::{ConnectionName, IntegrationName},
    connector::{Manifest, Resource, WriteKind},
};

/// What the first integration shall be.
#[derive(Debug)]
pub struct Wish {
    pub name: String,
    pub source: End,
    pub target: End,
    pub direction: Direction,
    pub cut_over: Option<NaiveDate>,
}

/// One side.
#[derive(Debug)]
pub struct End {
    /// The name of its connection.
    pub connection: String,
    pub manifest: Arc<Manifest>,
    pub resource: Arc<Resource>,
    pub url: Option<String>,
    pub account: Option<String>,
}

/// Connectors by name.
pub type Connectors = BTreeMap<String, Arc<Manifest>>;

/// Somebody who may be asked; `None` where nobody is there.
pub struct Asker<'a>(Option<Question<'a>>);

/// Puts a question and waits for the line that comes back.
type Question<'a> = Box<dyn FnMut(&str) -> Result<String, CliError> + 'a>;

impl<'a> Asker<'a> {
    /// Whoever sits at the terminal.
    pub fn of_terminal(out: &'a Output) -> Self {
        let ask = move |question: &str| {
            out.prompt(question);
            let mut line = String::new();
            let read = io::stdin().lock().read_line(&mut line);
            match read.map_err(|error| CliError::Other(format!("standard input cannot be read: {error}")))? {
                0 => Err(CliError::Other("the answers ended; nothing was written".to_owned())),
                _ => Ok(line.trim().to_owned()),
            }
        };
        Self(io::stdin().is_terminal().then(|| Box::new(ask) as Question<'a>))
    }

    /// Who answers in this way.
    #[cfg(test)]
    pub fn by(ask: impl FnMut(&str) -> Result<String, CliError> + 'a) -> Self {
        Self(Some(Box::new(ask)))
    }

    /// Nobody.
    #[cfg(test)]
    pub fn nobody() -> Self {
        Self(None)
    }

    /// What was said, else what is answered; asked again until `read` takes it. `otherwise` stands for an empty answer,
    /// and where nobody is there.
    fn ask<T>(
        &mut self,
        (said, question): (Option<&str>, &str),
        otherwise: Option<&str>,
        read: impl Fn(&str) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        let default = otherwise.filter(|text| !text.is_empty()).map(|text| format!(" [{text}]")).unwrap_or_default();
        match (said, &mut self.0) {
            (Some(said), _) => read(said),
            (None, None) => match otherwise {
                Some(otherwise) => read(otherwise),
                None => Err(CliError::Usage(format!(
                    "{question} Nobody can be asked here: say --source and --target, and --direction"
                ))),
            },
            (None, Some(ask)) => {
                let mut wrong = String::new();
                loop {
                    let answer = ask(&format!("{wrong}{question}{default} "))?;
                    let answer = if answer.is_empty() { otherwise.unwrap_or_default() } else { &answer };
                    match read(answer) {
                        Ok(found) => return Ok(found),
                        Err(error) => wrong = format!("{error}\n"),
                    }
                }
            }
        }
    }
}

/// What is wanted.
///
/// # Errors
///
/// When something that was said is wrong, or is not said and nobody can be asked.
pub fn wish(args: &InitArgs, known: &Connectors, asker: &mut Asker<'_>) -> Result<Wish, CliError> {
    let names: Vec<&str> = usable(known).map(|(name, _)| name.as_str()).collect();
    let list = names.join(", ");
    let question = format!("Connectors: {list}.\nWhere do the records come from?");
    let source = asker.ask((args.source.as_deref(), &question), None, |text| chosen(text, known))?;
    let question = "Where shall they go?";
    let target = asker.ask((args.target.as_deref(), question), None, |text| chosen(text, known))?;
    let direction = match args.direction {
        Some(direction) => direction,
        None => {
            let question = "Which way: two-way, source-to-target or target-to-source?";
            let usual = if is_writable(&source.1) { "two-way" } else { "source-to-target" };
            asker.ask((None, question), Some(usual), direction)?
        }
    };
    let cut_over = match args.cut_over {
        Some(day) => Some(day),
        None => asker.ask(
            (None, "Leave records alone that were made before a day (2026-07-01)? Empty: take all."),
            Some(""),
            day,
        )?,
    };
    let alike = source.0.name == target.0.name;
    let connection = |manifest: &Manifest, number: u8| {
        let name = if alike { format!("{}-{number}", manifest.name) } else { manifest.name.clone() };
        ConnectionName::parse(&name).map_or_else(|_| format!("account-{number}"), |name| name.to_string())
    };
    let (from, to) = (connection(&source.0, 1), connection(&target.0, 2));
    let name = args.name.clone().unwrap_or_else(|| format!("{from}-{to}"));
    IntegrationName::parse(&name).map_err(|error| CliError::Usage(error.to_string()))?;
    let mut end = |connection: String,
                   (manifest, resource): (Arc<Manifest>, Arc<Resource>),
                   url: Option<&str>,
                   account: Option<&str>| {
        let text = |text: &str| Ok((!text.is_empty()).then(|| text.to_owned()));
        let question = format!("Address of {connection} (empty: later)?");
        let wants_url = super::account::wants_address(&manifest);
        let url = if wants_url { asker.ask((url, &question), Some(""), text)? } else { url.map(ToOwned::to_owned) };
        Ok::<_, CliError>(End { connection, manifest, resource, url, account: account.map(ToOwned::to_owned) })
    };
    Ok(Wish {
        source: end(from, source, args.source_url.as_deref(), args.source_account.as_deref())?,
        target: end(to, target, args.target_url.as_deref(), args.target_account.as_deref())?,
        name,
        direction,
        cut_over,
    })
}

/// Connectors with people or companies in them.
fn usable(known: &Connectors) -> impl Iterator<Item = (&String, &Arc<Manifest>)> {
    known.iter().filter(|(_, manifest)| main_resource(manifest).is_some())
}

/// Where a system keeps those whom it deals with; leads and staff are others.
const MAIN: [&str; 5] = ["contacts", "customers", "clients", "patients", "individuals"];

/// The resource of people that is written first, and has the most that is known of them.
pub fn main_resource(manifest: &Manifest) -> Option<&Arc<Resource>> {
    let people = manifest.resources.values().filter(|resource| meaning::is_of_people(resource));
    people.max_by_key(|resource| {
        // The first of the equals, in the order of names.
        let is_main = MAIN.contains(&resource.name.as_str());
        (is_writable(resource), is_main, meaning::fields(resource).len(), std::cmp::Reverse(resource.name.clone()))
    })
}

fn is_writable(resource: &Resource) -> bool {
    [WriteKind::Create, WriteKind::Update].into_iter().all(|kind| resource.write(kind).is_some())
}

/// A connector, or one of its resources: `xero`, `xero/contacts`.
fn chosen(text: &str, known: &Connectors) -> Result<(Arc<Manifest>, Arc<Resource>), CliError> {
    let (name, resource) = match text.split_once('/') {
        Some((name, resource)) => (name, Some(resource)),
        None => (text, None),
    };
    let Some(manifest) = known.get(name) else {
        let near = known.keys().max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(CliError::Usage(format!(
            "there is no connector `{name}`{near} `reconciled connectors` lists them"
        )));
    };
    let found = match resource {
        Some(resource) => manifest.resources.get(resource).ok_or_else(|| {
            let names: Vec<&str> = manifest.resources.keys().map(String::as_str).collect();
            format!("`{name}` has no `{resource}`; it has {}", names.join(", "))
        }),
        None => main_resource(manifest).ok_or_else(|| {
            format!(
                "`{name}` holds no people or companies, which a first integration is of; begin with the folder of \
                 examples/configs that is nearest"
            )
        }),
    };
    Ok((Arc::clone(manifest), Arc::clone(found.map_err(CliError::Usage)?)))
}

fn direction(text: &str) -> Result<Direction, CliError> {
    <Direction as clap::ValueEnum>::from_str(text, true)
        .map_err(|_| CliError::Usage("say two-way, source-to-target or target-to-source".to_owned()))
}

fn day(text: &str) -> Result<Option<NaiveDate>, CliError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| CliError::Usage(format!("`{text}` is no day; write 2026-07-01")))
}
