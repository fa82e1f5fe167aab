//! A response given by a table of logit coefficients.
