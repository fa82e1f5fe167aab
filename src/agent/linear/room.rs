//! Scratch for one call: on the stack where it fits, on the heap where a model is uncommonly large.

use std::ops::{Deref, DerefMut};

/// `len` values of scratch; allocates only beyond `N` of them.
#[derive(Debug)]
pub enum Room<T, const N: usize> {
    /// The common case.
    Stack([T; N], usize),
    /// More than `N` values.
    Heap(Vec<T>),
}

impl<T: Copy, const N: usize> Room<T, N> {
    /// Room for `len` values, each `zero`.
    #[inline(always)]
    pub fn new(zero: T, len: usize) -> Self {
        if len <= N { Self::Stack([zero; N], len) } else { Self::Heap(vec![zero; len]) }
    }
}

impl<T, const N: usize> Deref for Room<T, N> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        match self {
            Self::Stack(values, len) => &values[..*len],
            Self::Heap(values) => values,
        }
    }
}

impl<T, const N: usize> DerefMut for Room<T, N> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::Stack(values, len) => &mut values[..*len],
            Self::Heap(values) => values,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_slices_of_the_asked_length() {
        for len in [0, 3, 4, 5, 100] {
            let mut room = Room::<f32, 4>::new(0.0, len);
            room.fill(2.0);
            assert_eq!(room.iter().sum::<f32>(), 2.0 * len as f32);
            assert_eq!(matches!(room, Room::Heap(_)), len > 4);
        }
    }
}
