//! The order in which Java's hash maps give their entries. It shows where the first thing that goes
//! wrong is the one in the message, and where of two entries the last counts.

/// `String.hashCode`, spread as `HashMap` does.
fn spread_hash(text: &str) -> u32 {
    let add = |hash: u32, unit: u16| hash.wrapping_mul(31).wrapping_add(u32::from(unit));
    let hash = text.encode_utf16().fold(0, add);
    hash ^ (hash >> 16)
}

/// Entries with different keys, in the order of a `HashMap` or `HashSet` into which they were put
/// one by one.
pub fn hash_order<T>(mut entries: Vec<T>, key: impl Fn(&T) -> &str) -> Vec<T> {
    // Tables begin with 16 buckets and double when they are three quarters full. In a bucket
    // entries keep the order in which they came.
    let mut buckets = 16;
    while entries.len() * 4 > buckets * 3 {
        buckets *= 2;
    }
    entries.sort_by_key(|entry| spread_hash(key(entry)) as usize & (buckets - 1));
    entries
}

/// `Map.put` into entries that are few: a key that is there keeps its place.
pub fn put<T>(entries: &mut Vec<(String, T)>, key: String, value: T) {
    match entries.iter_mut().find(|(have, _)| *have == key) {
        Some((_, old)) => *old = value,
        None => entries.push((key, value)),
    }
}

/// `String.split` at one character: empty parts at the end do not count, but a text without the
/// character is one part.
pub fn split(text: &str, at: char) -> Vec<&str> {
    let mut parts: Vec<_> = text.split(at).collect();
    if parts.len() > 1 {
        while parts.last() == Some(&"") {
            parts.pop();
        }
    }
    parts
}

/// `String.trim`: all up to and including the space.
pub fn trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_in_the_order_of_a_java_hash_map() {
        let names = ["zeta", "a", "b", "field", "id", "name", "Aa", "BB"].map(str::to_owned);
        let ordered = hash_order(names.to_vec(), String::as_str);
        // `new HashSet<>(List.of("zeta", "a", …))`, printed.
        let expected = ["zeta", "Aa", "BB", "a", "b", "field", "name", "id"];
        assert_eq!(ordered, expected.map(str::to_owned));
    }

    #[test]
    fn splitting_drops_empty_parts_at_the_end() {
        assert_eq!(split("a:b", ':'), ["a", "b"]);
        assert_eq!(split("a:", ':'), ["a"]);
        assert_eq!(split(":b", ':'), ["", "b"]);
        assert_eq!(split("", ':'), [""]);
        assert!(split(":", ':').is_empty());
    }
}
