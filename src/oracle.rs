//! Policies that may look inside the market: where regret has a true zero.
