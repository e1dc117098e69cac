//! Names in a test: resources, records, connections and pipelines, in full or as the integration calls them.

use std::{collections::BTreeMap, sync::Arc};

use super::super::scenario::Spot;
use crate::{
    config::{
        Config, ConnectionName, IntegrationName, PipelineName,
        diagnostic::{Finding, Report, error},
        nearest::suggest,
        written::At,
    },
    connector::Resource,
    record::RecordId,
};

/// Everything that a test may name.
pub(super) struct Names<'a> {
    report: &'a Report,
    connections: BTreeMap<String, ConnectionName>,
    resources: BTreeMap<String, (ConnectionName, Arc<Resource>)>,
    pipelines: BTreeMap<String, PipelineName>,
    /// What is offered where a name is not known: resources that pipelines use.
    used: Vec<String>,
}

impl<'a> Names<'a> {
    pub fn new(config: &Config, integrations: &[IntegrationName], report: &'a Report) -> Self {
        let mut names = Self {
            report,
            connections: BTreeMap::new(),
            resources: BTreeMap::new(),
            pipelines: BTreeMap::new(),
            used: Vec::new(),
        };
        let one = if let [one] = integrations { Some(one) } else { None };
        for integration in integrations.iter().filter_map(|name| config.integrations.get(name)) {
            for pipeline in &integration.pipelines {
                let full = pipeline.name.as_str();
                names.pipelines.insert(full.to_owned(), pipeline.name.clone());
                let short = full.strip_prefix(integration.name.as_str()).and_then(|rest| rest.strip_prefix('/'));
                if let (Some(short), Some(_)) = (short, one) {
                    names.pipelines.insert(short.to_owned(), pipeline.name.clone());
                }
                for end in &pipeline.ends {
                    let connection = &end.connection;
                    let shown = short_name(connection.name.as_str(), one);
                    names.used.push(format!("{shown}/{}", end.resource.name));
                    for shown in [connection.name.as_str(), shown] {
                        names.connections.insert(shown.to_owned(), connection.name.clone());
                        for (name, resource) in &connection.manifest.resources {
                            let place = (connection.name.clone(), Arc::clone(resource));
                            names.resources.insert(format!("{shown}/{name}"), place);
                        }
                    }
                }
            }
        }
        names.used.sort();
        names.used.dedup();
        names
    }

    fn unknown(what: &str, written: &At<String>, known: Vec<&str>) -> Finding {
        error("test::unknown_name", written.span, format!("there is no {what} `{}`", written.value))
            .label("not known")
            .maybe_help(suggest(&written.value, known))
    }

    pub fn resource(&self, written: &At<String>) -> Option<Spot> {
        let found = self.resources.get(&written.value);
        if found.is_none() {
            let used = self.used.iter().map(String::as_str).collect();
            self.report.add(Self::unknown("resource", written, used));
        }
        found.map(|(connection, resource)| Spot {
            connection: connection.clone(),
            resource: Arc::clone(resource),
            shown: written.value.clone(),
        })
    }

    /// `website/contacts/c1`.
    pub fn record(&self, written: &At<String>) -> Option<(Spot, RecordId)> {
        let mut best: Option<(&String, &str)> = None;
        for name in self.resources.keys() {
            let id = written.value.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix('/'));
            if let Some(id) = id.filter(|id| !id.is_empty() && best.is_none_or(|(known, _)| known.len() < name.len())) {
                best = Some((name, id));
            }
        }
        let Some((name, id)) = best else {
            // What is there may be only the id that is missing.
            if self.resources.contains_key(&written.value) {
                self.report.add(
                    error(
                        "test::which_record",
                        written.span,
                        format!("`{}` is a resource, not a record", written.value),
                    )
                    .help(format!("name the record by its id: {}/ID", written.value)),
                );
                return None;
            }
            let used = self.used.iter().map(String::as_str).collect();
            self.report.add(Self::unknown("record", written, used));
            return None;
        };
        let spot = self.resource(&At { value: name.clone(), span: written.span })?;
        Some((spot, RecordId::from(id)))
    }

    pub fn connection(&self, written: &At<String>) -> Option<ConnectionName> {
        let found = self.connections.get(&written.value);
        if found.is_none() {
            let known = self.connections.keys().map(String::as_str).collect();
            self.report.add(Self::unknown("connection", written, known));
        }
        found.cloned()
    }

    /// `xero` or `xero/contacts`.
    pub fn connection_or_resource(&self, written: &At<String>) -> Option<(ConnectionName, Option<Spot>)> {
        if let Some(connection) = self.connections.get(&written.value) {
            return Some((connection.clone(), None));
        }
        let spot = self.resource(written)?;
        Some((spot.connection.clone(), Some(spot)))
    }

    pub fn pipeline(&self, written: &At<String>) -> Option<PipelineName> {
        let found = self.pipelines.get(&written.value);
        if found.is_none() {
            let known = self.pipelines.keys().map(String::as_str).collect();
            self.report.add(Self::unknown("pipeline", written, known));
        }
        found.cloned()
    }

    /// Every pipeline that runs in the test.
    pub fn all_pipelines(&self) -> impl Iterator<Item = &PipelineName> {
        self.pipelines.values()
    }
}

/// The name of a client's own connection inside the client: `acme/website` is `website`.
fn short_name<'n>(name: &'n str, integration: Option<&IntegrationName>) -> &'n str {
    let own = integration.and_then(|integration| name.strip_prefix(integration.as_str())?.strip_prefix('/'));
    own.unwrap_or(name)
}
