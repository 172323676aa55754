//! The guests are the examples of this package: each is one file, with its interface at its head.
