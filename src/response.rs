//! Forces that move the log-odds of open, click, buy and leave.

use crate::registry::{Entry, Refusal, Values};
use std::fmt::Debug;

/// One force that moves consumers.
pub trait ResponseModule: Debug + Send + Sync {}

/// How a module is made.
pub type ModuleBuild = fn(&Values) -> Result<Box<dyn ResponseModule>, Refusal>;

/// All modules, in the order in which they act.
pub const MODULES: &[Entry<ModuleBuild>] = &[];
