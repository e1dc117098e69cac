//! The nearest of some names to one that does not exist.

/// The name that was most likely meant, if one is near enough.
#[must_use]
pub(crate) fn nearest<'n>(wanted: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let folded = wanted.to_lowercase().replace('-', "_");
    names
        .into_iter()
        .filter_map(|name| {
            let other = name.to_lowercase().replace('-', "_");
            let distance = strsim::osa_distance(&folded, &other);
            let allowed = match folded.chars().count().max(other.chars().count()) {
                0..=2 => 0,
                3..=5 => 1,
                6..=8 => 2,
                _ => 3,
            };
            // A word that was only lengthened or cut short is near, too, but less so than a misspelt one.
            let cut = folded.len().min(other.len()) >= 4 && (folded.contains(&other) || other.contains(&folded));
            (distance <= allowed || cut).then_some((distance + if distance <= allowed { 0 } else { 100 }, name))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// "did you mean `x`?", or the list of what there is when nothing is near.
#[must_use]
pub(crate) fn suggest<'n>(wanted: &str, names: impl IntoIterator<Item = &'n str> + Clone) -> Option<String> {
    if let Some(name) = nearest(wanted, names.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let mut all: Vec<&str> = names.into_iter().collect();
    all.sort_unstable();
    all.dedup();
    match all.len() {
        0 => None,
        1..=24 => {
            Some(format!("there is: {}", all.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")))
        }
        count => Some(format!(
            "there are {count}, among them: {}",
            all.iter().take(12).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(wanted: &str, names: &[&str], expected: Option<&str>) {
        assert_eq!(nearest(wanted, names.iter().copied()), expected, "{wanted}");
    }

    #[test]
    fn the_nearest_name_is_what_was_meant() {
        check("direciton", &["direction", "deletes", "drift"], Some("direction"));
        check("EmailAdress", &["EmailAddress", "Name"], Some("EmailAddress"));
        check("emailaddress", &["EmailAddress", "Name"], Some("EmailAddress"));
        check("source-to-targt", &["source-to-target", "target-to-source"], Some("source-to-target"));
        check("filter", &["filters", "fields"], Some("filters"));
        check("firstname", &["first_name", "last_name"], Some("first_name"));
        check("banana", &["direction", "deletes"], None);
        check("ab", &["ac"], None);
    }
}
