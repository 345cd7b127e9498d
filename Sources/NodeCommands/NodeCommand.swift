package enum NodeCommand {}
