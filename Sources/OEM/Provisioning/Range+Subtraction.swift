extension Range<Int> {
    /// What is left without `parts`, which are in order.
    func subtracting(_ parts: [Range<Int>]) -> [Range<Int>] {
        var left: [Range<Int>] = []
        var start = lowerBound
        for part in parts where part.upperBound > start && part.lowerBound < upperBound {
            if start < part.lowerBound { left.append(start..<part.lowerBound) }
            start = part.upperBound
        }
        return start < upperBound ? left + [start..<upperBound] : left
    }
}
