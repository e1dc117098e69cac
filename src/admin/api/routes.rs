//! The table of routes.

/// How a route is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admin) enum Method {
    Get,
    Post,
}

/// What a parameter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::admin) enum Kind {
    Text,
    Number,
    Truth,
    Texts,
    /// `source` or `target`.
    Side,
    /// `sync`, `plan` or `poll`.
    Mode,
    /// A run to take back, and maybe only one record of it.
    Revert,
    /// Names with values, both text.
    Pairs,
}

/// A parameter.
#[derive(Debug)]
pub(in crate::admin) struct Param {
    pub name: &'static str,
    pub kind: Kind,
    pub needed: bool,
    pub about: &'static str,
}

/// A route: how it is called, and which request it stands for.
#[derive(Debug)]
pub(in crate::admin) struct Route {
    pub method: Method,
    pub path: &'static str,
    /// The `do` of the request.
    pub does: &'static str,
    /// The `is` of the answer.
    pub answers: &'static [&'static str],
    pub about: &'static str,
    pub params: &'static [Param],
    /// Parameters, as JSON.
    pub example: &'static str,
}

const fn need(name: &'static str, kind: Kind, about: &'static str) -> Param {
    Param { name, kind, needed: true, about }
}

const fn may(name: &'static str, kind: Kind, about: &'static str) -> Param {
    Param { name, kind, needed: false, about }
}

const PIPELINE: Param = need("pipeline", Kind::Text, "The pipeline: acme/contacts.");
const ONLY: Param = may("pipeline", Kind::Text, "Only of this pipeline.");
const WHAT: Param = need("what", Kind::Text, "An integration, or one of its pipelines.");
const GRANT: Param = need("what", Kind::Text, "A grant, or a connection that logs in by one.");
const RECORD: Param = need("record", Kind::Text, "The id of the record.");

/// Every route, below `/api/v1`.
pub(in crate::admin) const ROUTES: &[Route] = &[
    Route {
        method: Method::Get,
        path: "/ping",
        does: "ping",
        answers: &["pong"],
        about: "Is anybody there?",
        params: &[],
        example: "{}",
    },
    Route {
        method: Method::Get,
        path: "/status",
        does: "status",
        answers: &["status"],
        about: "How everything stands: every integration with what it does and waits for, and what is held.",
        params: &[],
        example: "{}",
    },
    Route {
        method: Method::Get,
        path: "/explain",
        does: "explain",
        answers: &["explained"],
        about: "Everything about a record, and why it is as it is.",
        params: &[PIPELINE, need("record", Kind::Text, "Its id, label or a value of it: an e-mail address, a number.")],
        example: r#"{"pipeline":"acme/contacts","record":"jane@example.com"}"#,
    },
    Route {
        method: Method::Get,
        path: "/links",
        does: "links",
        answers: &["links"],
        about: "The links of a pipeline.",
        params: &[PIPELINE],
        example: r#"{"pipeline":"acme/contacts"}"#,
    },
    Route {
        method: Method::Get,
        path: "/parked",
        does: "parked",
        answers: &["parked"],
        about: "What is put aside, why, and what to do about it.",
        params: &[ONLY],
        example: r#"{"pipeline":"acme/contacts"}"#,
    },
    Route {
        method: Method::Get,
        path: "/conflicts",
        does: "conflicts",
        answers: &["conflicts"],
        about: "Fields whose sides disagree, with both values.",
        params: &[ONLY],
        example: r#"{"pipeline":"acme/contacts"}"#,
    },
    Route {
        method: Method::Get,
        path: "/held",
        does: "held",
        answers: &["held"],
        about: "Runs that wait for a person.",
        params: &[],
        example: "{}",
    },
    Route {
        method: Method::Get,
        path: "/runs",
        does: "runs",
        answers: &["runs"],
        about: "The last runs of an integration, newest first.",
        params: &[
            need("integration", Kind::Text, "The integration: acme."),
            may("limit", Kind::Number, "How many at most; 20 unless given."),
        ],
        example: r#"{"integration":"acme","limit":5}"#,
    },
    Route {
        method: Method::Post,
        path: "/run",
        does: "run",
        answers: &["run"],
        about: "One run now. The answer comes at its end; with `Accept: text/event-stream` it comes as events, `progress` \
                by `progress`, and then `done` or `failed`.",
        params: &[
            need("integration", Kind::Text, "The integration: acme."),
            need("mode", Kind::Mode, "`sync` writes, `plan` only tells, `poll` only looks."),
            may("pipelines", Kind::Texts, "Only these of its pipelines."),
            may("full", Kind::Truth, "Read everything, whatever was read before."),
            may("limit", Kind::Number, "Write at most so many records."),
            may(
                "revert",
                Kind::Revert,
                "Take a run back, instead of deciding about what changed. Takes the role `admin`.",
            ),
        ],
        example: r#"{"integration":"acme","mode":"plan"}"#,
    },
    Route {
        method: Method::Post,
        path: "/links/add",
        does: "link-add",
        answers: &["linked"],
        about: "Links two records.",
        params: &[
            PIPELINE,
            need("source", Kind::Text, "The id of the source record."),
            need("target", Kind::Text, "The id of the target record."),
        ],
        example: r#"{"pipeline":"acme/contacts","source":"17","target":"5ac1e3f0"}"#,
    },
    Route {
        method: Method::Post,
        path: "/links/remove",
        does: "link-remove",
        answers: &["unlinked"],
        about: "Dissolves a link; both records stay.",
        params: &[PIPELINE, RECORD],
        example: r#"{"pipeline":"acme/contacts","record":"17"}"#,
    },
    Route {
        method: Method::Post,
        path: "/parked/retry",
        does: "parked-retry",
        answers: &["retried"],
        about: "Has what is put aside looked at again with the next run.",
        params: &[PIPELINE, may("record", Kind::Text, "Only the record with this id.")],
        example: r#"{"pipeline":"acme/contacts","record":"17"}"#,
    },
    Route {
        method: Method::Post,
        path: "/parked/ignore",
        does: "parked-ignore",
        answers: &["ignored"],
        about: "Keeps a record off the list until its trouble changes.",
        params: &[PIPELINE, RECORD],
        example: r#"{"pipeline":"acme/contacts","record":"17"}"#,
    },
    Route {
        method: Method::Post,
        path: "/conflicts/resolve",
        does: "conflict-resolve",
        answers: &["resolved"],
        about: "Decides which side's value goes to the other.",
        params: &[
            PIPELINE,
            need("record", Kind::Text, "Either id of the linked pair."),
            need("winner", Kind::Side, "The side whose value goes to the other."),
            may("field", Kind::Text, "Only this field, by the name that `conflicts` gives it."),
        ],
        example: r#"{"pipeline":"acme/contacts","record":"17","winner":"source"}"#,
    },
    Route {
        method: Method::Post,
        path: "/approve",
        does: "approve",
        answers: &["approved", "edit-answered"],
        about: "Lets what is held go ahead.",
        params: &[
            need("what", Kind::Text, "The id of a held run or edit, a pipeline, or an integration."),
            may(
                "except",
                Kind::Texts,
                "Records to leave as they are, by an id of either side: of an edit they are parked, of a run they stay held.",
            ),
        ],
        example: r#"{"what":"acme/contacts"}"#,
    },
    Route {
        method: Method::Post,
        path: "/reject",
        does: "reject",
        answers: &["rejected", "edit-answered"],
        about: "Refuses what is held.",
        params: &[need("what", Kind::Text, "The id of a held run or edit, a pipeline, or the integration of an edit.")],
        example: r#"{"what":"acme/contacts"}"#,
    },
    Route {
        method: Method::Post,
        path: "/pause",
        does: "pause",
        answers: &["paused"],
        about: "Keeps this from starting by itself, also after a restart.",
        params: &[WHAT],
        example: r#"{"what":"acme"}"#,
    },
    Route {
        method: Method::Post,
        path: "/resume",
        does: "resume",
        answers: &["resumed"],
        about: "Ends a pause; of an integration also the pauses of its pipelines.",
        params: &[WHAT],
        example: r#"{"what":"acme"}"#,
    },
    Route {
        method: Method::Post,
        path: "/connections/begin",
        does: "connect-begin",
        answers: &["consent", "consented"],
        about: "Begins a consent: gives the address at which a person logs in and agrees. An app that logs in by itself and was disconnected is connected at once.",
        params: &[GRANT, may("redirect", Kind::Text, "Where that leads back to; as configured unless given.")],
        example: r#"{"what":"acme-xero"}"#,
    },
    Route {
        method: Method::Post,
        path: "/connections/finish",
        does: "connect-finish",
        answers: &["consented"],
        about: "Ends a consent.",
        params: &[need("parameters", Kind::Pairs, "What the system put into the address that it led back to.")],
        example: r#"{"parameters":[["code","x"],["state","y"]]}"#,
    },
    Route {
        method: Method::Post,
        path: "/connections/link",
        does: "connect-link",
        answers: &["connect-link"],
        about: "Makes a one-time link for the owner of an account.",
        params: &[GRANT],
        example: r#"{"what":"acme-xero"}"#,
    },
    Route {
        method: Method::Post,
        path: "/connections/disconnect",
        does: "disconnect",
        answers: &["disconnected"],
        about: "Gives a login back.",
        params: &[GRANT, may("whole", Kind::Truth, "The whole grant, whatever was named.")],
        example: r#"{"what":"acme-xero"}"#,
    },
    Route {
        method: Method::Get,
        path: "/log-level",
        does: "log-level",
        answers: &["log-level"],
        about: "How much the daemon logs.",
        params: &[],
        example: "{}",
    },
    Route {
        method: Method::Post,
        path: "/log-level",
        does: "log-level",
        answers: &["log-level"],
        about: "Changes how much the daemon logs, until its end.",
        params: &[may("directive", Kind::Text, "`debug`, `daemon=debug`, or `reset`; without one, nothing changes.")],
        example: r#"{"directive":"debug"}"#,
    },
    Route {
        method: Method::Get,
        path: "/config/diff",
        does: "config-diff",
        answers: &["config-diff"],
        about: "What the files of the configuration would change about what runs.",
        params: &[],
        example: "{}",
    },
    Route {
        method: Method::Get,
        path: "/config/last-good",
        does: "last-good",
        answers: &["last-good"],
        about: "The last good text of a file of the configuration.",
        params: &[need("file", Kind::Text, "Its path below the folder.")],
        example: r#"{"file":"acme.yaml"}"#,
    },
    Route {
        method: Method::Post,
        path: "/reload",
        does: "reload",
        answers: &["reloaded"],
        about: "Takes over what was edited in the configuration, and tells what came of every file.",
        params: &[
            may("wait", Kind::Truth, "Answer only when every edited integration has taken over, or cannot."),
            may("force", Kind::Truth, "Also believe that many files were removed."),
        ],
        example: r#"{"wait":true}"#,
    },
];
