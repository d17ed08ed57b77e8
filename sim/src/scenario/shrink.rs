//! Search for the shortest plan that still fails.

use stentor_core::testing::config::with_shards;

use super::plan::{PlanStep, ScenarioPlan};
use super::{ScenarioFailure, run};

/// Makes a plan that fails as short as it can while `go_on` says so. The shorter
/// one fails in the same way; how, is handed back with it.
pub fn shrink(
    plan: &ScenarioPlan,
    failure: &ScenarioFailure,
    go_on: impl FnMut() -> bool,
) -> (ScenarioPlan, ScenarioFailure) {
    shrink_by(|plan| run(plan).err(), plan, failure, go_on)
}

fn shrink_by(
    run: impl FnMut(&ScenarioPlan) -> Option<ScenarioFailure>,
    plan: &ScenarioPlan,
    failure: &ScenarioFailure,
    go_on: impl FnMut() -> bool,
) -> (ScenarioPlan, ScenarioFailure) {
    let mut search = Search {
        plan: plan.clone(),
        failure: failure.clone(),
        run,
        go_on,
    };
    search.cut_end();
    search.without_clients();
    search.drop_shards();
    search.drop_chunks();
    search.without_clients();
    (search.plan, search.failure)
}

struct Search<R, G> {
    plan: ScenarioPlan,
    failure: ScenarioFailure,
    run: R,
    go_on: G,
}

impl<R: FnMut(&ScenarioPlan) -> Option<ScenarioFailure>, G: FnMut() -> bool> Search<R, G> {
    /// Takes another plan if it fails in the same way.
    fn take(&mut self, plan: ScenarioPlan) -> bool {
        match (self.run)(&plan) {
            Some(failure) if failure.is_like(&self.failure) => {
                (self.plan, self.failure) = (plan, failure);
                true
            }
            _ => false,
        }
    }

    fn take_steps(&mut self, steps: Vec<PlanStep>) -> bool {
        let plan = ScenarioPlan {
            steps,
            ..self.plan.clone()
        };
        self.take(plan)
    }

    /// Nothing follows the step at which it failed.
    fn cut_end(&mut self) {
        let most = self.plan.steps.len();
        let mut keep = (self.failure.steps + 1).min(most);
        if keep < most && self.take_steps(self.plan.steps[..keep].to_vec()) {
            return;
        }
        // It fails in the end: perhaps also after less.
        while keep > 1 && (self.go_on)() {
            keep /= 2;
            if !self.take_steps(self.plan.steps[..keep].to_vec()) {
                return;
            }
        }
    }

    /// As few clients as will do.
    fn without_clients(&mut self) {
        let mut clients: Vec<u16> = self.plan.steps.iter().map(|step| step.who).collect();
        clients.sort_unstable();
        clients.dedup();
        let mut size = clients.len() / 2;
        while size > 0 {
            let mut from = 0;
            while from < clients.len() && (self.go_on)() {
                let gone = &clients[from..(from + size).min(clients.len())];
                let stays = |step: &&PlanStep| gone.binary_search(&step.who).is_err();
                let steps: Vec<PlanStep> = self.plan.steps.iter().filter(stays).copied().collect();
                if !steps.is_empty() && self.take_steps(steps) {
                    clients.drain(from..(from + size).min(clients.len()));
                } else {
                    from += size;
                }
            }
            size /= 2;
        }
    }

    /// As few shards as will do.
    fn drop_shards(&mut self) {
        for shards in 1..self.plan.setup.config.shards() {
            if !(self.go_on)() {
                return;
            }
            let mut plan = self.plan.clone();
            plan.setup.config = with_shards(&plan.setup.config, shards);
            if self.take(plan) {
                return;
            }
        }
    }

    /// Takes out steps, first many in a row, then fewer.
    fn drop_chunks(&mut self) {
        let mut size = self.plan.steps.len() / 2;
        while size > 0 {
            let (mut from, mut dropped) = (0, false);
            while from < self.plan.steps.len() {
                if !(self.go_on)() {
                    return;
                }
                let mut steps = self.plan.steps.clone();
                steps.drain(from..(from + size).min(steps.len()));
                if self.take_steps(steps) {
                    dropped = true;
                } else {
                    from += size;
                }
            }
            if size == 1 && !dropped {
                return;
            }
            // Once more where something went, since that may let go of others.
            size = if dropped && size == 1 { 1 } else { size / 2 };
        }
    }
}

#[cfg(test)]
mod tests {

    use super::super::plan::Scale;
    use super::*;

    /// Fails where these steps are, in this order of numbers, and all else is noise.
    fn fails_with(wanted: &[u32], plan: &ScenarioPlan) -> Option<ScenarioFailure> {
        let here = |n: &u32| plan.steps.iter().any(|step| step.n == *n);
        wanted.iter().all(here).then(|| ScenarioFailure {
            message: "as it was".to_string(),
            steps: plan.steps.len(),
        })
    }

    fn plan() -> ScenarioPlan {
        let scale = Scale {
            shards: 4,
            clients: 20,
            messages: 500,
        };
        ScenarioPlan::new(1, scale)
    }

    #[test]
    fn what_does_not_matter_goes() {
        let (plan, wanted) = (plan(), [17, 300, 301, 555]);
        let failure = fails_with(&wanted, &plan).expect("they are there");
        let run = |plan: &ScenarioPlan| fails_with(&wanted, plan);
        let (short, _) = shrink_by(run, &plan, &failure, || true);
        let left: Vec<u32> = short.steps.iter().map(|step| step.n).collect();
        assert_eq!(left, wanted);
        assert_eq!(short.setup.config.shards(), 1);
    }

    #[test]
    fn another_failure_does_not_count() {
        let plan = plan();
        let failure = fails_with(&[], &plan).expect("always");
        let other = |_: &ScenarioPlan| {
            Some(ScenarioFailure {
                message: "something else".to_string(),
                steps: 0,
            })
        };
        let (same, _) = shrink_by(other, &plan, &failure, || true);
        assert_eq!(same.steps, plan.steps);
    }

    #[test]
    fn it_ends_when_told_to() {
        let plan = plan();
        let failure = fails_with(&[], &plan).expect("always");
        let mut left = 10;
        let (short, _) = shrink_by(
            |plan| fails_with(&[17], plan),
            &plan,
            &failure,
            || {
                left -= 1;
                left > 0
            },
        );
        assert!(fails_with(&[17], &short).is_some());
        assert!(short.steps.len() > 1);
    }
}
