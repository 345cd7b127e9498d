import Pages
import Testing

struct PageNumberTests {
    @Test func everyByteOfAPageBelongsToIt() {
        #expect(PageNumber(containing: 0) == PageNumber(0))
        #expect(PageNumber(containing: 0x1FFF) == PageNumber(1) && PageNumber(containing: 0x2000) == PageNumber(2))
        #expect(PageNumber(2).address == 0x2000)
    }

    /// 32 bits name the pages of 16 TiB; an address behind them is no page, and not another one either.
    @Test func theLastPageIsTheLastBelow16TiB() async {
        #expect(PageNumber(containing: (1 << 44) - 1) == PageNumber(.max))
        #expect(PageNumber(.max).address == (1 << 44) - 4096)
        await #expect(processExitsWith: .failure) { _ = PageNumber(containing: 1 << 44) }
    }
}
