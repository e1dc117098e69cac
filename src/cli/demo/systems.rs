//! The two practice systems of the demo.

use crate::{
    cli::exit::CliError,
    clock::Clock,
    sandbox::{SeedPlan, Website, WebsiteOptions, Xero, XeroOptions, seed},
};

/// A website and a Xero in this process, seeded.
pub(super) struct Systems {
    pub website: Website,
    pub xero: Xero,
}

impl Systems {
    /// Starts both on free ports of the loopback address and fills them.
    pub(super) async fn start(clock: &Clock) -> Result<Self, CliError> {
        let failed = |error: std::io::Error| CliError::Other(format!("the practice systems cannot start: {error}"));
        let website = WebsiteOptions { keep_log: false, ..WebsiteOptions::new(clock.clone()) };
        let xero = XeroOptions { keep_log: false, ..XeroOptions::new(clock.clone()).unlimited() };
        let website = Website::start(website).await.map_err(failed)?;
        let xero = Xero::start(xero).await.map_err(failed)?;
        seed(&website, &xero, clock.now(), &SeedPlan::default())
            .map_err(|error| CliError::Other(format!("the practice systems cannot be filled: {error}")))?;
        Ok(Self { website, xero })
    }

    /// `262 contacts and 324 sales on demo-website, …`.
    pub(super) fn inventory(&self) -> String {
        format!(
            "{} contacts and {} sales on demo-website, {} contacts and {} invoices on demo-xero",
            self.website.count("contacts"),
            self.website.count("sales"),
            self.xero.count("Contacts"),
            self.xero.count("Invoices")
        )
    }
}
