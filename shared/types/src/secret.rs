//! Values that must not be printed or serialised by accident.

/// A secret: no `Debug`, no `Display`, no `Serialize`. Reading it says so: [`Secret::expose`].
#[derive(Clone)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a secret.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The secret itself, for the one who needs it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

/// A configuration may hold secrets; nothing writes them back.
impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for Secret<T> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::deserialize(from).map(Self)
    }
}

/// Personal data (個人情報): no `Debug`, no `Display`, no `Serialize`.
#[derive(Clone)]
pub struct Personal<T>(T);

impl<T> Personal<T> {
    /// Wraps personal data.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The data itself, for the one who may hand it on.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}
