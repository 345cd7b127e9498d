internal import CPlatform

/// What a command's `main` does before anything else.
package enum ProgramStart {
    /// No file gets the number of a standard stream, and SIGINT, SIGTERM, SIGHUP and SIGPIPE leave no program, no temporary folder and no half of an
    /// output file behind before they end the process as they do by themselves.
    package static func prepare() {
        cplatform_open_standard()
        cplatform_end_in_order()
    }

    /// Ends the process as that signal does, in the same order: for who takes signals himself first.
    package static func end(by signal: Int32) -> Never { cplatform_end_by(signal) }
}
