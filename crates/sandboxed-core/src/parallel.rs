//! Work on many items at once. The result does not depend on how many workers there are; how many there are to be is the
//! caller's to say, since it depends on the machine.

use std::num::NonZero;
use std::thread;

/// Fewer items than this are not worth a thread, which costs about as much as planning one policy.
const FEW: usize = 16;

/// What `work` makes of each item, in the order of the items, by so many threads at the most.
pub fn map<T: Sync, R: Send>(workers: NonZero<usize>, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if workers == NonZero::<usize>::MIN || items.len() < FEW {
        return items.iter().map(work).collect();
    }
    let part = |items: &[T]| items.iter().map(&work).collect::<Vec<R>>();
    thread::scope(|scope| {
        let parts: Vec<_> = items
            .chunks(items.len().div_ceil(workers.get()))
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
            let twice: Vec<_> = items.iter().map(|item| item * 2).collect();
            for workers in [1, 3].map(|workers| NonZero::new(workers).unwrap()) {
                assert_eq!(map(workers, &items, |item| item * 2), twice);
            }
        }
    }
}
