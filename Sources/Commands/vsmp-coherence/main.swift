import ArgumentParser
import CoherenceCommands

CoherenceRootCommand.main()
