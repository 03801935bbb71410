//! Which certificate a question and its answer are about.

use std::borrow::Cow;

use warikan_types::{Serial, Timestamp};

use crate::{certificate::Certificate, path::cert::Node};

/// Which certificate of an issuer is asked about. A CertID (RFC 6960 4.1.1) is made of the issuer's name and key and the serial
/// number, so whoever kept only those may still ask.
#[derive(Debug, Clone, Copy)]
pub enum OcspSubject<'a> {
    /// The certificate itself. An answer must have been made in its lifetime.
    Certificate(&'a Certificate),
    /// Its serial number; the issuer's name is taken from the issuer's own certificate.
    Serial(&'a Serial),
}

/// What goes into a CertID, and what is known of the certificate's lifetime.
pub(super) struct Asked<'a> {
    /// The issuer's whole Name.
    pub(super) name: &'a [u8],
    /// Content octets of the DER INTEGER.
    pub(super) serial: Cow<'a, [u8]>,
    life: Option<(Timestamp, Timestamp)>,
}

impl<'a> Asked<'a> {
    pub(super) fn of_certificate(certificate: &Node<'a>) -> Self {
        let view = &certificate.view;
        Self {
            name: view.issuer,
            serial: Cow::Borrowed(view.serial),
            life: Some((view.not_before, view.not_after)),
        }
    }

    pub(super) fn of_serial(serial: &'a Serial, issuer: &Node<'a>) -> Self {
        let octets = serial.octets();
        // A first bit would make the INTEGER negative (X.690 8.3).
        let signed = octets.first().is_some_and(|first| *first & 0x80 != 0);
        Self {
            name: issuer.view.subject,
            serial: if signed {
                Cow::Owned([&[0], octets].concat())
            } else {
                Cow::Borrowed(octets)
            },
            life: None,
        }
    }

    /// Whether the certificate was in its lifetime then, as far as that is known.
    pub(super) fn lived_at(&self, at: Timestamp) -> bool {
        self.life
            .is_none_or(|(begin, end)| begin <= at && at <= end)
    }
}
