"""What operators watch: counts and times over all workers, in the words of Prometheus."""
