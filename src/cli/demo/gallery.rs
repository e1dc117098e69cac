//! The folders of `examples/configs` that the demo can run.

use crate::{cli::exit::CliError, config::nearest::nearest, sandbox::PracticeKind};

/// A folder to copy.
#[derive(Debug)]
pub(super) struct Shown {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Its files, by their paths below the folder. The first is the one to look at and to edit.
    pub files: &'static [(&'static str, &'static str)],
    /// Its integrations.
    pub integrations: &'static [&'static str],
    /// The system beside the website, the portal or the proposals.
    pub with: With,
}

/// A system to practise with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum With {
    Xero,
    Xpm,
    Practice(PracticeKind),
}

macro_rules! shown {
    ($name:literal, $with:expr, $about:literal) => {
        Shown {
            name: $name,
            about: $about,
            files: &[(
                concat!($name, ".yaml"),
                include_str!(concat!("../../../examples/configs/", $name, "/", $name, ".yaml")),
            )],
            integrations: &[$name],
            with: $with,
        }
    };
}

/// A template and two of its clients.
const AGENCY: Shown = Shown {
    name: "agency",
    about: "two clients made from one template, each with a website and a Xero of its own",
    files: &[
        ("templates/shop.yaml", include_str!("../../../examples/configs/agency/templates/shop.yaml")),
        ("clients/acme.yaml", include_str!("../../../examples/configs/agency/clients/acme.yaml")),
        ("clients/bravo.yaml", include_str!("../../../examples/configs/agency/clients/bravo.yaml")),
    ],
    integrations: &["acme", "bravo"],
    with: With::Xero,
};

/// All of them, in the order of names.
pub(super) const ALL: [Shown; 14] = [
    AGENCY,
    shown!("eventbrite-website", With::Practice(PracticeKind::Eventbrite), "attendees and orders come to a website"),
    shown!("proposals-xero", With::Xero, "accepted proposals become invoices"),
    shown!("proposals-xpm", With::Xpm, "accepted proposals become jobs; clients come back in a file"),
    shown!(
        "website-cliniko",
        With::Practice(PracticeKind::Cliniko),
        "patients come to a clinic's website, edits go both ways"
    ),
    shown!(
        "website-gosweetspot",
        With::Practice(PracticeKind::GoSweetSpot),
        "paid sales become orders of freight, shipments come back"
    ),
    shown!("website-myob", With::Practice(PracticeKind::Myob), "contacts, sales and receipts, both ways"),
    shown!("website-quickbooks", With::Practice(PracticeKind::QuickBooks), "contacts both ways, sales become invoices"),
    shown!("website-simpro", With::Practice(PracticeKind::Simpro), "contacts both ways, leads go out, tags come in"),
    shown!("website-xero", With::Xero, "contacts both ways, sales become invoices, receipts payments"),
    shown!("website-xpm", With::Xpm, "contacts and a practice's clients, both ways"),
    shown!("website-zoho", With::Practice(PracticeKind::ZohoCrm), "contacts, both ways"),
    shown!("xpm-portal", With::Xpm, "the people of a practice's clients, copied to a portal"),
    shown!("xpm-website", With::Xpm, "the people of a practice's clients on its website, leads go back"),
];

/// The folder of this name.
pub(super) fn named(name: &str) -> Result<&'static Shown, CliError> {
    let names = || ALL.iter().map(|shown| shown.name);
    ALL.iter().find(|shown| shown.name == name).ok_or_else(|| {
        let meant = nearest(name, names()).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        CliError::Usage(format!("there is no example named `{name}`{meant} `reconciled demo --list` shows them"))
    })
}

/// All of them, a line each.
pub(super) fn listed() -> String {
    let widest = ALL.iter().map(|shown| shown.name.len()).max().unwrap_or_default();
    let lines: Vec<String> = ALL.iter().map(|shown| format!("{:widest$}  {}", shown.name, shown.about)).collect();
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_folder_of_the_examples_can_be_run() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/configs");
        let folders = fs::read_dir(examples).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let folders: BTreeSet<String> = folders.collect();
        assert_eq!(folders, ALL.iter().map(|shown| shown.name.to_owned()).collect());
    }

    #[test]
    fn a_name_that_is_not_there_names_the_nearest() {
        let error = named("website-zero").unwrap_err().to_string();
        assert!(error.contains("did you mean `website-xero`?"), "{error}");
    }
}
