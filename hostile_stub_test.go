package varve_test

func bombAttacks() []attack      { return nil }
func confusionAttacks() []attack { return nil }
func clientAttacks() []attack    { return nil }
func keyAttacks() []attack       { return nil }
