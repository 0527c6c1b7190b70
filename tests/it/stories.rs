//! Stories: a push comes in, a pull request goes out, and people have their say. Against the simulated world on the
//! wire, with its clock.

mod branches;
mod commands;
mod configuration;
mod crash;
mod evidence;
mod house;
mod life;
mod main_job;
mod merging;
mod notified;
mod people;
mod queue;
mod random;
mod rule_keys;
mod rules;
mod vex;
mod vulnerabilities;
