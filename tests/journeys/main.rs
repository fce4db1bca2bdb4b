//! Behaviour seen from outside, on real servers. Run them with `make test`.

#[cfg(test)]
mod ai;
#[cfg(test)]
mod captions;
#[cfg(test)]
mod cold;
#[cfg(test)]
mod dedup;
#[cfg(test)]
mod door;
#[cfg(test)]
mod drill;
#[cfg(test)]
mod erasure;
#[cfg(test)]
mod events;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod houses;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod large;
#[cfg(test)]
mod made;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod model;
#[cfg(test)]
mod monitoring;
#[cfg(test)]
mod names;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod pass_through;
#[cfg(test)]
mod playback;
#[cfg(test)]
mod players;
#[cfg(test)]
mod progress;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod rehearsal;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod retention;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod storage;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod waits;
