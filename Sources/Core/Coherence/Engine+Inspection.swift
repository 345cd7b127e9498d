extension Engine {
    /// The page as this node sees it.
    public func stateOf(_ page: PageNumber) -> PageState {
        let flags = states[Int(page.rawValue)]
        let isOwnPage = ranges[page].map { isHome($0) } ?? false
        return PageState(
            access: flags.access, isOwner: isOwnPage ? flags.access != .none : flags.owned, isRequested: flags.requested,
            isWritingBack: flags.writingBack, isDeferred: flags.deferred, isUntouched: isOwnPage && !flags.touched)
    }

    /// The pages that cost this node most remote faults, most first. Counts are upper bounds (Space-Saving). Allocates.
    public func hottestPages(_ limit: Int) -> [HotPage] { hot.hottest(limit) }
}
