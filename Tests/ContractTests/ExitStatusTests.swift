import Contract
import Testing

struct ExitStatusTests {
    @Test func numbersAreUniqueAndFitAProcess() {
        #expect(ExitStatus.allCases.allSatisfy { (0...125).contains($0.rawValue) })
    }
}
