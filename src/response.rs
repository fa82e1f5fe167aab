//! Forces that move the log-odds of open, click, buy and leave.
