//! Work on many items at once, on all processors. The result does not depend on how many there are.

use std::num::NonZero;
use std::thread;

/// Fewer items than this are not worth a thread, which costs about as much as planning one policy.
const FEW: usize = 16;

/// What `work` makes of each item, in the order of the items.
pub fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let workers = if items.len() < FEW { 1 } else { thread::available_parallelism().map_or(1, NonZero::get) };
    if workers == 1 {
        return items.iter().map(work).collect();
    }
    let part = |items: &[T]| items.iter().map(&work).collect::<Vec<R>>();
    thread::scope(|scope| {
        let parts: Vec<_> = items
            .chunks(items.len().div_ceil(workers))
            .map(|items| scope.spawn(move || part(items)))
            .collect();
        // A panic in a worker goes on here: there is no result without its part.
        let joined = parts
            .into_iter()
            .map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.flatten().collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_the_items() {
        for count in [0, 1, FEW - 1, FEW, 1000] {
            let items: Vec<usize> = (0..count).collect();
            assert_eq!(map(&items, |item| item * 2), items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
    }
}
