extension Engine {
    /// Switches to other policies. Allowed between any two calls, whatever is under way and whatever policies the other nodes use: every
    /// answer is treated as what was asked for, not as what would be asked for now. What a policy has learnt of the faults so far is
    /// lost, also by those that stay on; what the tables of pages know (strikes, migratory pages) stays.
    ///
    /// Allocates the policies' tables anew, in the sizes of `init`; does nothing when `policies` are in effect already.
    public mutating func use(_ policies: PolicySet) {
        guard policies != self.policies else { return }
        policyContext.policies = policies
        policy = Policies(policyContext)
    }
}
