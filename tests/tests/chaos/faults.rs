use springhare::test::Harness;

use crate::dice::Dice;
use crate::lane::Lane;
use crate::switches::{Switch, Switches};

/// Makes one fault, or ends one.
pub(crate) async fn one_fault(h: &Harness, switches: &mut Switches, dice: &mut Dice) {
    let faults = h.faults();
    match dice.roll(17) {
        0 => drop(faults.kill_connections().await),
        1 | 2 => {
            let lane = dice.pick(&Lane::ALL);
            faults.cancel_consumers(lane.unwrap().queue());
        }
        3 => faults.refuse_publishes(dice.roll(20)),
        4 => faults.block(),
        5 => faults.cut_off().await,
        // What is blocked, cut off or switched off is so for some rounds.
        6 => faults.unblock(),
        7 => faults.restore(),
        8 | 9 => switches.one(Switch::Pause, dice),
        10 => switches.one(Switch::Stop, dice),
        11 => switches.one(Switch::Resume, dice),
        12 | 13 => switches.one(Switch::Start, dice),
        14 => {
            let off = dice.pick(&[Switch::Pause, Switch::Stop]);
            switches.group(off.unwrap());
        }
        15 => {
            let on = dice.pick(&[Switch::Resume, Switch::Start]);
            switches.group(on.unwrap());
        }
        _ => {}
    }
}

/// Ends all faults but what is switched off.
pub(crate) fn no_more_faults(h: &Harness) {
    h.faults().unblock();
    h.faults().restore();
    h.faults().refuse_publishes(0);
}
