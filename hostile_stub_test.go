package varve_test

func confusionAttacks() []attack { return nil }
func clientAttacks() []attack    { return nil }
func keyAttacks() []attack       { return nil }
