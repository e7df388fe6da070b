//! Work on many items at once. The result does not depend on how many workers there are; how many there are to be is the
//! caller's to say, since it depends on the machine.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Fewer items than this are not worth a thread, which costs about as much as planning one policy.
const FEW: usize = 16;
/// So many blocks of items for each worker: enough that one slow block leaves work for the others, few enough that taking
/// one costs nothing.
const BLOCKS: usize = 64;

/// What `work` makes of each item, in the order of the items, by so many threads at the most.
pub fn map<T: Sync, R: Send>(workers: NonZero<usize>, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if workers == NonZero::<usize>::MIN || items.len() < FEW {
        return items.iter().map(work).collect();
    }
    let blocks: Vec<&[T]> = items.chunks(items.len().div_ceil(workers.get() * BLOCKS)).collect();
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(block) = blocks.get(index) else { return done };
            done.push((index, block.iter().map(&work).collect::<Vec<R>>()));
        }
    };
    let mut done: Vec<(usize, Vec<R>)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers.get()).map(|_| scope.spawn(worker)).collect();
        // A panic in a worker goes on here: there is no result without its part.
        let joined = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.flatten().collect()
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().flat_map(|(_, results)| results).collect()
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
