//! DER as a tree that can be bent: what a mutation takes apart and puts together again.
//!
//! It shares no code with the engine under test.

/// How the length is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As DER says.
    Shortest,
    /// With a leading zero octet more than needed.
    Padded,
    /// Indefinite, closed by two zero octets: BER.
    Indefinite,
    /// One more than there is.
    TooLong,
    /// One less than there is.
    TooShort,
}

#[derive(Clone)]
pub enum Body {
    Octets(Vec<u8>),
    Parts(Vec<Node>),
}

#[derive(Clone)]
pub struct Node {
    pub tag: u8,
    pub body: Body,
    pub form: Form,
}

impl Node {
    pub fn octets(tag: u8, content: &[u8]) -> Self {
        Self {
            tag,
            body: Body::Octets(content.to_vec()),
            form: Form::Shortest,
        }
    }

    pub fn parts(tag: u8, parts: Vec<Self>) -> Self {
        Self {
            tag,
            body: Body::Parts(parts),
            form: Form::Shortest,
        }
    }

    pub fn seq(parts: Vec<Self>) -> Self {
        Self::parts(0x30, parts)
    }

    pub fn set(parts: Vec<Self>) -> Self {
        Self::parts(0x31, parts)
    }

    pub fn utf8(text: &str) -> Self {
        Self::octets(0x0c, text.as_bytes())
    }

    pub fn int(content: &[u8]) -> Self {
        Self::octets(0x02, content)
    }

    pub fn boolean(octet: u8) -> Self {
        Self::octets(0x01, &[octet])
    }

    pub fn oid(dotted: &str) -> Self {
        Self::octets(0x06, &oid(dotted))
    }

    /// Reads one well-formed element with single-octet tags.
    pub fn read(input: &[u8]) -> Self {
        let (node, rest) = Self::read_one(input);
        assert!(rest.is_empty(), "one element and nothing after it");
        node
    }

    fn read_one(input: &[u8]) -> (Self, &[u8]) {
        let (tag, first) = (input[0], input[1]);
        let (length, header) = if first < 0x80 {
            (usize::from(first), 2)
        } else {
            let count = usize::from(first & 0x7f);
            let length = input[2..2 + count]
                .iter()
                .fold(0, |sum, octet| (sum << 8) | usize::from(*octet));
            (length, 2 + count)
        };
        let content = &input[header..header + length];
        let node = if tag & 0x20 == 0 {
            Self::octets(tag, content)
        } else {
            let mut parts = Vec::new();
            let mut rest = content;
            while !rest.is_empty() {
                let (part, after) = Self::read_one(rest);
                parts.push(part);
                rest = after;
            }
            Self::parts(tag, parts)
        };
        (node, &input[header + length..])
    }

    pub fn write(&self) -> Vec<u8> {
        let content = match &self.body {
            Body::Octets(octets) => octets.clone(),
            Body::Parts(parts) => parts.iter().flat_map(Self::write).collect(),
        };
        let mut out = vec![self.tag];
        match self.form {
            Form::Shortest => out.extend(length(content.len())),
            Form::Padded => {
                let octets = (content.len() as u64).to_be_bytes();
                let leading = octets
                    .iter()
                    .take_while(|octet| **octet == 0)
                    .count()
                    .min(7);
                out.push(0x80 | (9 - leading) as u8);
                out.push(0);
                out.extend(&octets[leading..]);
            }
            Form::Indefinite => out.push(0x80),
            Form::TooLong => out.extend(length(content.len() + 1)),
            Form::TooShort => out.extend(length(content.len().saturating_sub(1))),
        }
        out.extend(content);
        if self.form == Form::Indefinite {
            out.extend([0, 0]);
        }
        out
    }

    pub fn children(&mut self) -> &mut Vec<Self> {
        match &mut self.body {
            Body::Parts(parts) => parts,
            Body::Octets(_) => panic!("a primitive element has no parts"),
        }
    }

    pub fn content(&mut self) -> &mut Vec<u8> {
        match &mut self.body {
            Body::Octets(octets) => octets,
            Body::Parts(_) => panic!("a constructed element has no octets of its own"),
        }
    }

    /// How many elements the tree has.
    pub fn size(&self) -> usize {
        match &self.body {
            Body::Octets(_) => 1,
            Body::Parts(parts) => 1 + parts.iter().map(Self::size).sum::<usize>(),
        }
    }

    /// The element with this number, counted from the root, each parent before its parts.
    pub fn at(&mut self, mut number: usize) -> &mut Self {
        if number == 0 {
            return self;
        }
        number -= 1;
        for part in self.children() {
            let size = part.size();
            if number < size {
                return part.at(number);
            }
            number -= size;
        }
        panic!("no element with this number");
    }
}

fn length(count: usize) -> Vec<u8> {
    if count < 0x80 {
        return vec![count as u8];
    }
    let octets = (count as u64).to_be_bytes();
    let leading = octets.iter().take_while(|octet| **octet == 0).count();
    let mut out = vec![0x80 | (8 - leading) as u8];
    out.extend(&octets[leading..]);
    out
}

fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u64> = dotted.split('.').map(|arc| arc.parse().unwrap()).collect();
    let mut out = Vec::new();
    let first = arcs[0] * 40 + arcs[1];
    for arc in std::iter::once(first).chain(arcs[2..].iter().copied()) {
        let mut groups = vec![(arc & 0x7f) as u8];
        let mut rest = arc >> 7;
        while rest > 0 {
            groups.push(0x80 | (rest & 0x7f) as u8);
            rest >>= 7;
        }
        out.extend(groups.iter().rev());
    }
    out
}
