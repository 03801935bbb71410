//! Texts of others' making.

use warikan_http::Problem;

/// A text that can be shown in a line: 1 to `most` characters, none of them a control character.
pub(crate) fn plain(pointer: &str, value: &str, most: usize) -> Result<String, Problem> {
    let length = value.chars().count();
    if length == 0 || length > most || value.chars().any(char::is_control) {
        return Err(Problem::field(
            pointer,
            "invalid_value",
            format!("1 to {most} characters, none of them a control character"),
        ));
    }
    Ok(value.to_owned())
}
