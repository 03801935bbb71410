//! What the document says before its operations.

use serde_json::{Value, json};

/// Each tag, in the order in which one meets them.
const TAGS: [(&str, &str); 13] = [
    (
        "access",
        "Tokens, discovery, and a tenant's own credentials.",
    ),
    (
        "verification",
        "Is this signature, by this certificate, good at this time?",
    ),
    (
        "subjects",
        "The natural persons behind certificates, as one tenant knows them.",
    ),
    (
        "watches",
        "Certificates that are watched, and what is known of their status.",
    ),
    (
        "campaigns",
        "A whole portfolio checked against one status version, with a receipt that proves it.",
    ),
    ("events", "The gap-free feed of what has happened."),
    ("webhooks", "Signed deliveries of the feed's events."),
    ("billing", "Usage, estimates, budgets and invoices."),
    ("operator", "The platform operator's own operations."),
    (
        "sandbox",
        "Synthetic citizens, their cards and their lives, for trying out.",
    ),
    (
        "jlis",
        "The sandbox's stand-in for J-LIS: roots, revocation lists, OCSP.",
    ),
    ("problems", "The catalogue of problems: cause and remedy."),
    ("health", "Probes."),
];

pub(super) fn tags() -> Value {
    TAGS.iter()
        .map(|(name, description)| json!({ "name": name, "description": description }))
        .collect()
}

/// The document's own description: what a reader has to know once.
pub(super) fn description() -> String {
    format!("{WHAT}\n\n{CONVENTIONS}\n\n{LIMITS}")
}

const WHAT: &str = "One certified installation that verifies signatures made with My Number Cards (JPKI) for many \
verifiers, re-checks the certificates it has seen, tells each verifier which of its customers have changed, and splits the bill.";

const CONVENTIONS: &str = "## Conventions

Times are RFC 3339 UTC, binary values base64, money integer yen, ids prefixed (`ver_..`). Errors are RFC 9457 problem documents; \
their `type` leads to cause and remedy (`GET /problems`). POST operations that create take `Idempotency-Key`. Lists are \
`{data, next_cursor}` and stable under inserts. Request bodies are strict: unknown and repeated members are refused, and so are unknown parameters where an operation takes any; where \
it takes none they mean nothing. Whose data is meant says the token alone. Answers may grow. \
`X-Request-Id` is taken and given back, `traceparent` (W3C) is honoured. What belongs to another tenant or environment is 404.";

const LIMITS: &str = "## Limits

| what | at most |
|---|---|
| a request's body, where nothing else is said | 256 KiB |
| a part of an uploaded portfolio | 1 MiB |
| a certificate, DER | 16 KiB |
| a signature | 1 KiB |
| certificates of a campaign | 10,000,000 |
| campaigns under way or waiting, a tenant | 20 |
| watches of one certificate, a tenant | 20 |
| rows of a page | 500 |
| seconds of a long poll of the feed | 20 |
| an Idempotency-Key | 255 characters, kept 48 hours |
| a request id of your own | 128 characters |
| credentials of a tenant | 100 |
| networks of a credential | 16 |
| public keys of a credential | 5 |
| life of an access token | 5 minutes |
| time for a request's head | 10 seconds |
| requests | as `RateLimit-Policy` says |";
