import ArgumentParser
import OEMCommands

RootCommand.main()
