import Testing

@testable import CoherenceSimulation

/// Circles among the steps that a machine takes by itself.
@Suite struct OwnStepsTests {
    private func circle(_ edges: [(Int, Int)], states: Int) -> Int? {
        var steps = OwnSteps()
        for (source, target) in edges { steps.add(from: source, to: target) }
        return steps.circle(states: states)
    }

    @Test func waysThatMeetAreNoCircle() {
        #expect(circle([], states: 3) == nil)
        #expect(circle([(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (0, 4), (0, 4)], states: 6) == nil)
    }

    @Test func aStateOnTheCircleIsNamed() throws {
        // 0 and 1 lead to the circle 2, 3, 4, from which one can leave to 5.
        let state = try #require(circle([(0, 1), (1, 2), (2, 3), (3, 4), (4, 2), (3, 5)], states: 6))
        #expect((2...4).contains(state))
        #expect(circle([(0, 1), (1, 0)], states: 2) != nil)
    }

    @Test func manyStatesAreLookedAtOnce() {
        let count = 200_000
        var edges = (1..<count).map { ($0 - 1, $0) }
        #expect(circle(edges, states: count) == nil)
        edges.append((count - 1, count / 2))
        #expect(circle(edges, states: count).map { $0 >= count / 2 } == true)
    }
}
