//! Each crash point there is, and whatever comes after it: a small world lives through a day in which all of them are
//! passed, dies there, starts again, and comes to the end of what it had begun.

use huntbook::fault;
use jiff::SignedDuration;

use crate::beyond::BEYOND;
use crate::playbooks::Finds;
use crate::world::{MONTH, World};
use crate::{history, rules, tell};

/// The playbooks of the small world: one isolates and takes it back, one comments what a poll brings, one asks people
/// before it isolates. All of them tell.
const ISOLATES: usize = 0;
const COMMENTS: usize = 4;
const ASKS: usize = 5;

/// It comes to this one when a run that was cut off cannot be taken up.
const GIVES_UP: &str = "c38_giving_up";
/// It comes to this one when something is old.
const FORGETS: &str = "c35_retention_delete";

/// Where a process dies.
#[derive(Debug, Clone, Copy)]
enum Where {
    /// At the point.
    There,
    /// At the point that is passed next, whichever it is.
    After,
}

/// The seed of a world, a point, and where the process dies: a cell of the matrix.
struct Cell(u64, &'static str, Where);

impl Drop for Cell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tell(&format!("in the world of seed {}: {} ({:?})", self.0, self.1, self.2));
        }
    }
}

/// The points of the matrix. What forgets comes last: a history without its beginning shows less.
fn points() -> Vec<&'static str> {
    let is_beyond = |point: &str| BEYOND.iter().any(|(beyond, _why)| *beyond == point);
    let mut points: Vec<&str> = fault::POINTS.iter().map(|(point, _place)| *point).collect();
    points.retain(|point| !is_beyond(point));
    points.sort_by_key(|point| *point == FORGETS);
    points
}

/// Dies at each point and after each; gives the number of deaths.
pub(crate) async fn die_everywhere(seed: u64) -> usize {
    let mut world = World::build(seed, (MONTH, Finds::Steadily)).await;
    world.becomes_small(&[ISOLATES, COMMENTS, ASKS]);
    let mut deaths = 0;
    for point in points() {
        // At another passage in each world, where a day has so many.
        let mut passage = seed;
        for place in [Where::There, Where::After] {
            let cell = Cell(seed, point, place);
            passage = die(&mut world, &cell, passage).await;
            deaths += 1;
            world.comes_to_its_end().await;
            history::hold(world.store(), &world.truths(), &rules(&world)).await;
        }
    }
    let isolated = world.sims[0].effects().iter().filter(|effect| effect.effect == "isolate").count();
    assert!(deaths <= isolated, "{deaths} days, and {isolated} isolations");
    world.end().await;
    deaths
}

/// Lives through days until it dies, and gives the passage: the first, if there are not as many in a day. A device that
/// had its turn the day before, or that fails, makes a day without.
async fn die(world: &mut World, Cell(_, point, place): &Cell, passage: u64) -> u64 {
    for passage in [passage, 1, 1, 1] {
        let armed = format!("{point}:{passage}");
        prepare(world, point).await;
        match place {
            Where::There => fault::arm_here(&armed).unwrap(),
            Where::After => fault::arm_after_here(&armed).unwrap(),
        }
        day(world, point).await;
        fault::disarm_here().unwrap();
        match (std::mem::take(&mut world.deaths_of_today).as_slice(), place) {
            ([], _) => {}
            ([died], Where::There) => {
                assert_eq!(*died, format!("crash point {point}"));
                return passage;
            }
            ([_next], Where::After) => return passage,
            (several, _) => panic!("one is enough: {several:?}"),
        }
    }
    panic!("nobody died at {point}")
}

/// What comes before the day.
async fn prepare(world: &mut World, point: &str) {
    world.passes(SignedDuration::from_hours(if point == FORGETS { 24 * 9 } else { 26 }));
    world.morning().await;
    world.look_around().await;
    if point == GIVES_UP {
        world.is_cut_off(ISOLATES).await;
    }
}

/// A day in which everything happens. It goes on after a death.
async fn day(world: &mut World, point: &str) {
    if point == GIVES_UP {
        world.restarts_without_versions().await;
    } else {
        world.restarts().await;
    }
    if point == FORGETS {
        world.forgets(SignedDuration::from_hours(24 * 7)).await;
    }
    world.is_stopped_and_goes_on().await;
    world.comes_to(ASKS).await;
    world.look_around().await;
    world.line.lose_next();
    world.comes_to(ISOLATES).await;
    world.comes_to(COMMENTS).await;
    for minutes in [1, 10, 10, 10, 4 * 60, 10] {
        world.passes(SignedDuration::from_mins(minutes));
        world.look_around().await;
    }
}
