//! Contenders that take turns.

use super::child::Cost;

/// One that takes its turn in each round.
pub(crate) struct Contender<'a> {
    name: &'static str,
    turn: Box<dyn FnMut() -> Cost + 'a>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(name: &'static str, turn: impl FnMut() -> Cost + 'a) -> Self {
        let turn = Box::new(turn);
        Self { name, turn }
    }
}

/// What each round cost each contender.
pub(crate) struct Costs(Vec<(&'static str, Vec<Cost>)>);

/// One uncounted round, then `rounds`.
pub(crate) fn interleave(rounds: u64, contenders: Vec<Contender<'_>>) -> Costs {
    let mut costs: Vec<_> = contenders.iter().map(|c| (c.name, Vec::new())).collect();
    let mut contenders = contenders;
    for round in 0..=rounds {
        for (contender, (_, costs)) in contenders.iter_mut().zip(&mut costs) {
            let cost = (contender.turn)();
            if round > 0 {
                costs.push(cost);
            }
        }
    }
    Costs(costs)
}

impl Costs {
    fn of(&self, name: &str) -> Option<&[Cost]> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, costs)| costs.as_slice())
    }

    /// The median of a contender's rounds, if it took part.
    pub(crate) fn median(&self, name: &str, figure: fn(&Cost) -> f64) -> Option<f64> {
        Some(median(self.of(name)?.iter().map(figure).collect()))
    }

    /// The median of the rounds' ratios, if both took part.
    pub(crate) fn ratio(&self, over: &str, under: &str, figure: fn(&Cost) -> f64) -> Option<f64> {
        let pairs = self.of(over)?.iter().zip(self.of(under)?);
        let ratios = pairs.map(|(over, under)| figure(over) / figure(under));
        Some(median(ratios.collect()))
    }
}

/// Of an even number the lower one of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}
