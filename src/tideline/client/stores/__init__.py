"""Where a device keeps what it knows: the contract, and two stores that hold to it."""
