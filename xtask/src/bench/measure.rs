//! Medians of what is measured in turn, so that a busy moment hits every contender alike.

use std::time::Duration;

use anyhow::Result;

/// One of the things compared.
pub(crate) struct Contender<'a> {
    /// What it is called in the table.
    pub(crate) name: &'a str,
    /// Does it once and tells how long it took.
    pub(crate) once: Box<dyn FnMut() -> Result<Duration> + 'a>,
}

impl<'a> Contender<'a> {
    /// A contender of that name.
    pub(crate) fn new(name: &'a str, once: impl FnMut() -> Result<Duration> + 'a) -> Self {
        Self { name, once: Box::new(once) }
    }
}

/// Let the contenders take turns, `rounds` times over after one round to warm up: the median of each.
///
/// # Errors
/// The first that one of them meets.
pub(crate) fn medians(rounds: usize, contenders: &mut [Contender<'_>]) -> Result<Vec<Duration>> {
    let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
    for round in 0..=rounds {
        for (contender, times) in contenders.iter_mut().zip(&mut times) {
            let time = (contender.once)()?;
            if round > 0 {
                times.push(time);
            }
        }
    }
    Ok(times.iter_mut().map(|times| median(times)).collect())
}

/// Compare the contenders with the first and print a table.
///
/// # Errors
/// The first that one of them meets.
pub(crate) fn compare(title: &str, rounds: usize, contenders: &mut [Contender<'_>]) -> Result<()> {
    let medians = medians(rounds, contenders)?;
    println!("\n{title} (median of {rounds})");
    let first = medians.first().copied().unwrap_or_default().as_secs_f64();
    for (contender, median) in contenders.iter().zip(&medians) {
        let seconds = median.as_secs_f64();
        println!(
            "  {:<42} {:>9.2} ms  {:>6.2}  {:>+9.2} ms",
            contender.name,
            seconds * 1e3,
            seconds / first,
            (seconds - first) * 1e3
        );
    }
    Ok(())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
