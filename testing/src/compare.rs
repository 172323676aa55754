//! Compares the items that arrived with those that were sent.

use super::Finding;

/// How `got` differs from the first `least` to `most` of `items`.
pub(super) fn compare<V: PartialEq + std::fmt::Debug>(
    got: &[Option<V>],
    items: &[V],
    least: usize,
    most: usize,
) -> Option<(Finding, String)> {
    let starts = got.len() <= items.len()
        && got.iter().zip(items).all(|(got, item)| got.as_ref() == Some(item));
    let finding = match starts {
        true if got.len() < least => Finding::LostAtEnd,
        // Each arrived once, but fewer were reported as written.
        true if got.len() > most => Finding::Miscounted,
        true => return None,
        false => {
            let mut left: Vec<&V> = items.iter().collect();
            let surplus = got.iter().find(|got| {
                let at = left.iter().position(|item| got.as_ref() == Some(item));
                at.map(|at| left.remove(at)).is_none()
            });
            match surplus {
                Some(Some(item)) if items.contains(item) => Finding::Doubled,
                Some(_) => Finding::Changed,
                None if in_order(got, items) => Finding::Lost,
                None => Finding::Reordered,
            }
        }
    };
    let got: Vec<_> = got.iter().flatten().collect();
    Some((finding, format!("expected {:?}, got {got:?}", &items[..most.min(items.len())])))
}

fn in_order<V: PartialEq>(got: &[Option<V>], items: &[V]) -> bool {
    let mut items = items.iter();
    got.iter().flatten().all(|got| items.any(|item| item == got))
}
