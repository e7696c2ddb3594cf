"""What ten thousand zones cost: to compile and publish, to change one, to hold, to look one up."""
