//! Ids by plain names. utoipa's derive takes `Id<K>` for a schema that is generic over `K`; under a name of its own it is the
//! one schema that `Id` describes.

use warikan_types::{
    Campaign, Delivery, Endpoint, Event, Id, Invoice, Subject, Verification, Watch,
};

pub(crate) type CampaignId = Id<Campaign>;
pub(crate) type DeliveryId = Id<Delivery>;
pub(crate) type EndpointId = Id<Endpoint>;
pub(crate) type EventId = Id<Event>;
pub(crate) type InvoiceId = Id<Invoice>;
pub(crate) type SubjectId = Id<Subject>;
pub(crate) type VerificationId = Id<Verification>;
pub(crate) type WatchId = Id<Watch>;
