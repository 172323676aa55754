//! A guest is killed in the midst of a relay: its store is dropped, or it runs out of fuel, which is a trap.

mod chain;
mod plan;

use self::plan::Plan;

#[test]
fn whichever_guest_is_killed_and_when_all_streams_end_for_the_right_reason() {
    // Rule "Truncated is never complete". Each seed is a victim, a moment and a capacity.
    for seed in 0..48 {
        let plan = Plan::new(seed);
        let outcome = chain::run(&plan).unwrap();
        if let Err(why) = plan.judge(&outcome) {
            panic!("seed {seed}: {plan}. {outcome} {why}");
        }
    }
}
