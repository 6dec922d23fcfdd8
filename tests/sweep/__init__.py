"""Tests of optlab.sweep; a package, so that jobs in other processes can import the troubles made for them."""
