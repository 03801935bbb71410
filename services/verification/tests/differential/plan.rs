//! A certificate or list taken apart, to be changed and signed again.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaSignatureEncoding},
};

use crate::der::{Body, Form, Node};

/// The hash that the CA signs with.
#[derive(Clone, Copy)]
pub enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub fn identifier(self) -> Node {
        let arc = match self {
            Self::Sha256 => 11,
            Self::Sha384 => 12,
            Self::Sha512 => 13,
        };
        Node::seq(vec![
            Node::oid(&format!("1.2.840.113549.1.1.{arc}")),
            Node::octets(0x05, &[]),
        ])
    }

    fn encoding(self) -> &'static RsaSignatureEncoding {
        match self {
            Self::Sha256 => &RSA_PKCS1_SHA256,
            Self::Sha384 => &RSA_PKCS1_SHA384,
            Self::Sha512 => &RSA_PKCS1_SHA512,
        }
    }
}

/// `SIGNED{..}` in parts.
#[derive(Clone)]
pub struct Plan {
    pub tbs: Node,
    pub algorithm: Node,
    pub hash: Hash,
    /// First octet of the signature's BIT STRING.
    pub unused_bits: u8,
    /// How the outermost length is written.
    pub form: Form,
    /// Elements after the signature, inside.
    pub inside: Vec<Node>,
    /// Octets after everything.
    pub after: Vec<u8>,
}

impl Plan {
    pub fn of(der: &[u8]) -> Self {
        let mut whole = Node::read(der);
        let parts = whole.children();
        Self {
            algorithm: parts[1].clone(),
            tbs: parts[0].clone(),
            hash: Hash::Sha256,
            unused_bits: 0,
            form: Form::Shortest,
            inside: Vec::new(),
            after: Vec::new(),
        }
    }

    pub fn sign(&self, key: &KeyPair) -> Vec<u8> {
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(
            self.hash.encoding(),
            &SystemRandom::new(),
            &self.tbs.write(),
            &mut signature,
        )
        .unwrap();
        signature.insert(0, self.unused_bits);
        let mut parts = vec![
            self.tbs.clone(),
            self.algorithm.clone(),
            Node::octets(0x03, &signature),
        ];
        parts.extend(self.inside.clone());
        let mut whole = Node::seq(parts);
        whole.form = self.form;
        let mut out = whole.write();
        out.extend(&self.after);
        out
    }

    /// A field of what is signed, by position.
    pub fn field(&mut self, index: usize) -> &mut Node {
        &mut self.tbs.children()[index]
    }

    /// The identifier inside what is signed: the first SEQUENCE in certificates and lists alike.
    pub fn inner_algorithm(&mut self) -> &mut Node {
        let parts = self.tbs.children();
        parts.iter_mut().find(|part| part.tag == 0x30).unwrap()
    }

    /// Both identifiers of the signature algorithm.
    pub fn set_algorithm(&mut self, identifier: &Node) {
        *self.inner_algorithm() = identifier.clone();
        self.algorithm = identifier.clone();
    }

    /// The extensions of a certificate (`[3]`) or list (`[0]`).
    pub fn extensions(&mut self) -> &mut Vec<Node> {
        let wrapped = self.tbs.children().last_mut().unwrap();
        assert!(matches!(wrapped.tag, 0xa0 | 0xa3), "extensions come last");
        wrapped.children()[0].children()
    }

    /// The extension of this type.
    pub fn extension(&mut self, dotted: &str) -> Option<&mut Node> {
        let wanted = Node::oid(dotted).write();
        self.extensions()
            .iter_mut()
            .find_map(|one| (one.children()[0].write() == wanted).then_some(one))
    }

    /// Changes the value of an extension as a tree, if it is there.
    pub fn edit(&mut self, dotted: &str, change: impl FnOnce(&mut Node)) {
        if let Some(one) = self.extension(dotted) {
            let value = one.children().last_mut().unwrap();
            let Body::Octets(octets) = &mut value.body else {
                panic!("an extension's value is an OCTET STRING")
            };
            let mut tree = Node::read(octets);
            change(&mut tree);
            *octets = tree.write();
        }
    }

    /// Replaces the extension of this type or adds it.
    pub fn put(&mut self, dotted: &str, critical: bool, value: &[u8]) {
        self.remove(dotted);
        let mut parts = vec![Node::oid(dotted)];
        if critical {
            parts.push(Node::boolean(0xff));
        }
        parts.push(Node::octets(0x04, value));
        self.extensions().push(Node::seq(parts));
    }

    pub fn remove(&mut self, dotted: &str) {
        let wanted = Node::oid(dotted).write();
        self.extensions()
            .retain_mut(|one| one.children()[0].write() != wanted);
    }

    /// Makes the extension critical, or not.
    pub fn set_critical(&mut self, dotted: &str, critical: bool) {
        if let Some(one) = self.extension(dotted) {
            let parts = one.children();
            parts.retain(|part| part.tag != 0x01);
            if critical {
                parts.insert(1, Node::boolean(0xff));
            }
        }
    }
}

/// One change, by name.
pub struct Mutation {
    pub name: String,
    pub apply: Box<dyn Fn(&mut Plan)>,
}

/// Collects changes.
pub struct Mutations(pub Vec<Mutation>);

impl Mutations {
    pub fn add(&mut self, name: impl Into<String>, apply: impl Fn(&mut Plan) + 'static) {
        self.0.push(Mutation {
            name: name.into(),
            apply: Box::new(apply),
        });
    }
}
