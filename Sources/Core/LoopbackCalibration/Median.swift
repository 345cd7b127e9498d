/// - Precondition: there are values.
func median(_ values: [UInt64]) -> UInt64 { values.sorted()[values.count / 2] }
