//! The types described for programs: JSON Schema 2020-12 for the whole message of each type, made from the same declarations
//! that make the messages.
//!
//! The schemas are open (a message may get new members without a new version) and say what a consumer may rely on: which members
//! are there, and which words they may hold.

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};
use warikan_types::Timestamp;

use super::{
    BudgetThresholdReachedData, CampaignCompletedData, CertificateExpiredData,
    CertificateExpiringData, CertificateRevokedData, EndpointDisabledData, EndpointTestedData,
    EventType, InvoiceFinalizedData, SourceRecoveredData, SourceStaleData, SubjectChangedData,
    VerificationCompletedData, samples,
};
use crate::ids::EventId;

/// A type of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TypeView {
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// The version of its payload, raised when an old consumer could misread it.
    pub version: u16,
    /// What it tells.
    pub description: &'static str,
    /// JSON Schema (2020-12) of the message that endpoints get.
    #[schema(value_type = Object)]
    pub schema: Value,
    /// Such a message.
    #[schema(value_type = Object)]
    pub example: Value,
}

/// All types.
pub(crate) fn catalogue() -> Vec<TypeView> {
    EventType::ALL
        .into_iter()
        .map(|event_type| TypeView {
            event_type,
            version: event_type.version(),
            description: event_type.meaning(),
            schema: schema(event_type),
            example: serde_json::to_value(samples::example(event_type))
                .expect("a message is plain data"),
        })
        .collect()
}

type Named = (String, RefOr<Schema>);

fn described<T: ToSchema>() -> (Value, Vec<Named>) {
    let mut named = Vec::new();
    T::schemas(&mut named);
    (plain(&T::schema()), named)
}

fn schema(event_type: EventType) -> Value {
    let (data, named) = match event_type {
        EventType::VerificationCompleted => described::<VerificationCompletedData>(),
        EventType::CertificateRevoked => described::<CertificateRevokedData>(),
        EventType::CertificateExpiring => described::<CertificateExpiringData>(),
        EventType::CertificateExpired => described::<CertificateExpiredData>(),
        EventType::CampaignCompleted => described::<CampaignCompletedData>(),
        EventType::SubjectChanged => described::<SubjectChangedData>(),
        EventType::SourceStale => described::<SourceStaleData>(),
        EventType::SourceRecovered => described::<SourceRecoveredData>(),
        EventType::InvoiceFinalized => described::<InvoiceFinalizedData>(),
        EventType::BudgetThresholdReached => described::<BudgetThresholdReachedData>(),
        EventType::EndpointDisabled => described::<EndpointDisabledData>(),
        EventType::EndpointTested => described::<EndpointTestedData>(),
    };
    let definitions: Map<String, Value> = named
        .iter()
        .map(|(name, schema)| (name.clone(), plain(schema)))
        .collect();
    let (word, version) = (event_type.as_str(), event_type.version());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:warikan:event:{word}:{version}"),
        "title": word,
        "description": event_type.meaning(),
        "type": "object",
        "required": ["id", "type", "version", "sequence", "timestamp", "data"],
        "properties": {
            "id": plain(&EventId::schema()),
            "type": { "const": word },
            "version": { "const": version },
            "sequence": { "type": "integer", "minimum": 1 },
            "timestamp": plain(&Timestamp::schema()),
            "data": data,
        },
        "$defs": definitions,
    })
}

/// As JSON, with references into this document instead of into the OpenAPI document.
fn plain(schema: &RefOr<Schema>) -> Value {
    let mut value = serde_json::to_value(schema).expect("a schema is plain data");
    localise(&mut value);
    value
}

fn localise(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "$ref" => {
                        *text = text.replace("#/components/schemas/", "#/$defs/");
                    }
                    other => localise(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(localise),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The committed catalogue is this one. `WARIKAN_REGENERATE=1` writes it.
    #[test]
    fn the_committed_catalogue_is_the_code_s() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi/events");
        let regenerate = std::env::var_os("WARIKAN_REGENERATE").is_some();
        if regenerate {
            std::fs::create_dir_all(&directory).unwrap();
        }
        for one in catalogue() {
            let path = directory.join(format!("{}.json", one.event_type.as_str()));
            if regenerate {
                let text = serde_json::to_string_pretty(&one).unwrap() + "\n";
                std::fs::write(&path, text).unwrap();
            }
            let committed = std::fs::read(&path).unwrap_or_default();
            let committed: Value = serde_json::from_slice(&committed).unwrap_or_default();
            assert!(
                committed == serde_json::to_value(&one).unwrap(),
                "{} is out of date: run the test with WARIKAN_REGENERATE=1 and commit",
                path.display()
            );
        }
        let files = std::fs::read_dir(&directory).unwrap().count();
        assert_eq!(files, EventType::ALL.len(), "a type that is gone");
    }

    #[test]
    fn every_reference_of_a_schema_leads_somewhere() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(members) => {
                    for (name, member) in members {
                        match member.as_str() {
                            Some(text) if name == "$ref" => found.push(text.to_owned()),
                            _ => references(member, found),
                        }
                    }
                }
                Value::Array(items) => items.iter().for_each(|one| references(one, found)),
                _ => {}
            }
        }
        for one in catalogue() {
            let mut found = Vec::new();
            references(&one.schema, &mut found);
            assert!(!found.is_empty());
            for reference in found {
                let target = reference.strip_prefix('#').unwrap();
                assert!(one.schema.pointer(target).is_some(), "{reference}");
            }
        }
    }
}
