//! Buy-till-you-die models: BG/NBD, Pareto/NBD, Gamma-Gamma spend, and customer lifetime value.
